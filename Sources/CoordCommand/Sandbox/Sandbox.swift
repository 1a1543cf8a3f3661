// A throwaway sshd on loopback that answers as many hosts, for trying things out.
//
// One sshd bound to 0.0.0.0 answers on all of 127.0.0.0/8. Everything it needs is in one folder, with a marker that
// makes the folder a sandbox: keys, sshd_config, known_hosts, and a Coordfile.yaml that names its addresses. An
// ordinary user logs in as himself. Root logs in as a user made for the sandbox, since root's own shell start-up
// files would be read for every host. The marker is written before anything outside the folder is made, so that
// `down` finds and removes it all, however far `up` came. flock on the folder keeps two commands apart.

import Foundation
import Glibc

/// A sandbox in a folder.
struct Sandbox {
    /// The folder when none is named.
    static let defaultFolder = "sandbox"
    /// How many hosts there are when no number is given.
    static let defaultHostCount = 53

    /// The folder: absolute, and without symbolic links above it.
    let folder: String

    /// Between looks at something that is waited for, always with a deadline.
    static let pollMicroseconds: UInt32 = 20_000

    /// Names a folder; nothing is made or read in it yet.
    ///
    /// - Throws: ``SandboxError`` with `folder` when the folder above it is missing, or sshd_config can't hold its path.
    init(folder: String = Sandbox.defaultFolder) throws(SandboxError) {
        let url = URL(filePath: folder).standardizedFileURL
        let parent = url.deletingLastPathComponent().path
        guard let resolved = realpath(parent, nil) else {
            throw SandboxError(.folder, "\(parent): make this folder first", underlying: systemReason(errno))
        }
        defer { free(resolved) }
        let above = String(cString: resolved)
        self.folder = (above == "/" ? "" : above) + "/" + url.lastPathComponent
        let isUsable = self.folder.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard isUsable, url.lastPathComponent != "/", !self.folder.contains(where: { "\"\\%".contains($0) }) else {
            throw SandboxError(.folder, "\(folder): sshd can't work in a folder with this name; choose another --dir")
        }
    }

    /// Puts the sandbox up; one that is up already with as many hosts stays as it is.
    ///
    /// - Throws: ``SandboxError``; then nothing is left behind that was not there before.
    func up(hostCount: Int = Sandbox.defaultHostCount) throws(SandboxError) -> SandboxDescription {
        guard (1...SandboxFiles.hostLimit).contains(hostCount) else {
            throw SandboxError(
                .hostCount,
                "--hosts \(hostCount): a sandbox has from 1 to \(SandboxFiles.hostLimit) hosts"
            )
        }
        let programs = try Programs(isRoot: isRoot)
        let isNew = mkdir(folder, 0o700) == 0
        guard isNew || errno == EEXIST else {
            throw SandboxError(.folder, "\(folder): can't be made", underlying: systemReason(errno))
        }
        guard let lock = try lockFolder() else {
            throw SandboxError(.busy, "\(folder): another `coord sandbox down` removed it; try again")
        }
        defer { close(lock) }
        if !isNew {
            let marker = try requireMarker()
            if let running = try description(of: marker) {
                guard marker.hostCount == hostCount else {
                    throw SandboxError(
                        .settings,
                        "\(folder): up already, with \(marker.hostCount) hosts; `coord sandbox down` first"
                    )
                }
                return running
            }
            try tearDown(marker, programs: programs)
            return try up(hostCount: hostCount)
        }
        return try make(hostCount: hostCount, programs: programs)
    }

    /// Takes the sandbox down: its processes, its folder with all that is in it, and its user if it has its own.
    ///
    /// - Returns: Whether there was one.
    /// - Throws: ``SandboxError``; the marker stays, and `down` can be tried again.
    func down() throws(SandboxError) -> Bool {
        guard let lock = try lockFolder() else { return false }
        defer { close(lock) }
        let marker = try requireMarker()
        try tearDown(marker, programs: Programs(isRoot: isRoot))
        return true
    }

    /// What there is at the folder.
    ///
    /// - Throws: ``SandboxError`` with `folder` or `owner` when it is something else than a sandbox of this user's.
    func status() throws(SandboxError) -> SandboxStatus {
        guard try exists() else { return .absent }
        let marker = try requireMarker()
        guard let running = try description(of: marker) else { return .stopped(hostCount: marker.hostCount) }
        return .running(running)
    }

    private var isRoot: Bool { geteuid() == 0 }
}
