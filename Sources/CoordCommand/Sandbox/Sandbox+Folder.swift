import Foundation
import Glibc

extension Sandbox {
    private static let lockTimeout: Duration = .seconds(30)

    /// The sandbox that a marker tells of, if its sshd is running.
    func description(of marker: SandboxMarker) throws(SandboxError) -> SandboxDescription? {
        guard let listener = SandboxProcesses(marker: marker).listener else { return nil }
        return SandboxDescription(
            folder: folder,
            port: marker.port,
            processID: listener,
            user: marker.user,
            hostCount: marker.hostCount,
            hostPatterns: SandboxFiles.hostPatterns(count: marker.hostCount),
            isNew: false
        )
    }

    /// Whether there is a folder; a link, a file, or another user's folder is an error.
    func exists() throws(SandboxError) -> Bool {
        var status = stat()
        guard lstat(folder, &status) == 0 else {
            if errno == ENOENT { return false }
            throw SandboxError(.folder, "\(folder): can't be looked at", underlying: systemReason(errno))
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw SandboxError(.folder, "\(folder): not a folder; choose another --dir")
        }
        guard status.st_uid == geteuid() else {
            throw SandboxError(.owner, "\(folder): belongs to another user; run as that user, or choose another --dir")
        }
        return true
    }

    /// The marker; a folder without one is an error.
    func requireMarker() throws(SandboxError) -> SandboxMarker {
        guard let marker = try SandboxMarker.read(in: folder) else {
            throw SandboxError(.folder, "\(folder): exists, and is not a sandbox; choose another --dir")
        }
        return marker
    }

    /// Locks the folder until the descriptor is closed; nil when there is no folder, or it went while waiting.
    func lockFolder() throws(SandboxError) -> Int32? {
        guard try exists() else { return nil }
        let fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard fd >= 0 else {
            throw SandboxError(.folder, "\(folder): can't be opened", underlying: systemReason(errno))
        }
        let deadline = ContinuousClock.now + Sandbox.lockTimeout
        while flock(fd, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, ContinuousClock.now < deadline else {
                close(fd)
                throw SandboxError(.busy, "\(folder): another `coord sandbox` is at work on it; try again when it ends")
            }
            usleep(Sandbox.pollMicroseconds)
        }
        var locked = stat()
        var named = stat()
        guard fstat(fd, &locked) == 0, lstat(folder, &named) == 0, locked.st_ino == named.st_ino else {
            close(fd)
            return nil
        }
        return fd
    }

    /// A public key that ssh-keygen wrote, as one line.
    func publicKey(_ name: String) throws(SandboxError) -> String {
        let path = "\(folder)/\(name).pub"
        do {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            throw SandboxError(.file, "\(path): can't be read", underlying: error.localizedDescription)
        }
    }

    /// Writes a file that only its owner may read.
    func write(_ text: String, to path: String) throws(SandboxError) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path))
        } catch {
            throw SandboxError(.file, "\(path): can't be written", underlying: error.localizedDescription)
        }
        guard chmod(path, 0o600) == 0 else {
            throw SandboxError(.file, "\(path): can't be closed to others", underlying: systemReason(errno))
        }
    }

    /// The end of sshd's log; empty when it wrote none.
    func tail(of path: String) throws(SandboxError) -> String {
        guard access(path, F_OK) == 0 else { return "" }
        do {
            let bytes = try Data(contentsOf: URL(filePath: path))
            return String(decoding: bytes.suffix(2000), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            throw SandboxError(.file, "\(path): can't be read", underlying: error.localizedDescription)
        }
    }
}
