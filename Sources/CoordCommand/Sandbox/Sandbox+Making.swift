import Foundation
import Glibc

extension Sandbox {
    /// The programs that are needed.
    struct Programs {
        var server: SandboxProgram
        var keygen: SandboxProgram
        /// nil where no user has to be made.
        var userTools: (add: SandboxProgram, remove: SandboxProgram)?

        init(isRoot: Bool) throws(SandboxError) {
            server = try SandboxProgram("sshd", package: "openssh-server")
            keygen = try SandboxProgram("ssh-keygen", package: "openssh-client")
            if isRoot {
                userTools = (
                    try SandboxProgram("useradd", package: "passwd"), try SandboxProgram("userdel", package: "passwd")
                )
            }
        }
    }

    private static let serverAttempts = 5
    private static let serverTimeout: Duration = .seconds(10)
    /// sshd, as root, drops to an empty folder that the distribution makes when its service starts.
    private static let runFolder = "/run/sshd"
    private static let userName = "coord-sandbox"
    /// userdel(8): what is to be removed is not there.
    private static let userMissing: Int32 = 6

    /// Makes everything in an empty folder that this user owns.
    func make(hostCount: Int, programs: Programs) throws(SandboxError) -> SandboxDescription {
        guard let user = SandboxUser.current() else {
            throw SandboxError(.folder, "user \(geteuid()) is not in the user database, so sshd can't let it in")
        }
        var marker = SandboxMarker(folder: folder, hostCount: hostCount, user: user.name)
        do throws(SandboxError) {
            try marker.write(in: folder)
            try fill(&marker, programs: programs)
            return try start(&marker, programs: programs)
        } catch {
            throw cleanedUp(after: error, marker, programs: programs)
        }
    }

    /// The error itself, or with what else went wrong while cleaning up.
    private func cleanedUp(after error: SandboxError, _ marker: SandboxMarker, programs: Programs) -> SandboxError {
        do throws(SandboxError) {
            try tearDown(marker, programs: programs)
            return error
        } catch let second {
            return SandboxError(error.code, error.context, underlying: "\(error.underlying ?? "") (then: \(second))")
        }
    }

    /// Makes keys, and as root the user and sshd's run folder.
    private func fill(_ marker: inout SandboxMarker, programs: Programs) throws(SandboxError) {
        for name in [SandboxFiles.hostKey, SandboxFiles.identity] {
            try programs.keygen.run(["-q", "-t", "ed25519", "-N", "", "-C", "coord-sandbox", "-f", "\(folder)/\(name)"])
        }
        let text = SandboxFiles.authorizedKeysText(publicKey: try publicKey(SandboxFiles.identity))
        guard let tools = programs.userTools else {
            return try write(text, to: authorizedKeys(marker))
        }
        if access(Sandbox.runFolder, F_OK) != 0 {
            marker.hasOwnRunFolder = true
            try marker.write(in: folder)
            guard mkdir(Sandbox.runFolder, 0o755) == 0 || errno == EEXIST else {
                throw SandboxError(.file, "\(Sandbox.runFolder): can't be made", underlying: systemReason(errno))
            }
        }
        let user = try makeUser(&marker, tools.add)
        let path = authorizedKeys(marker)
        let ownFolder = URL(filePath: path).deletingLastPathComponent().path
        guard mkdir(ownFolder, 0o700) == 0, chown(ownFolder, user.id, user.group) == 0 else {
            throw SandboxError(.file, "\(ownFolder): can't be made", underlying: systemReason(errno))
        }
        try write(text, to: path)
        guard chown(path, user.id, user.group) == 0 else {
            throw SandboxError(.file, "\(path): can't be given to \(user.name)", underlying: systemReason(errno))
        }
    }

    /// A user of the sandbox's own, by a name that no other sandbox can take at the same moment. `*` is a password that
    /// nothing matches, but not a locked account.
    private func makeUser(_ marker: inout SandboxMarker, _ tool: SandboxProgram) throws(SandboxError) -> SandboxUser {
        let name = "\(Sandbox.userName)-\(marker.id.prefix(8))"
        marker.hasOwnUser = true
        marker.user = name
        try marker.write(in: folder)
        let arguments = ["--system", "-U", "-m", "-d", "/home/\(name)", "-s", "/bin/sh", "-p", "*"]
        _ = try tool.run(arguments + ["-c", marker.userComment, name], accepting: [0])
        guard let user = SandboxUser.find(name), user.comment == marker.userComment else {
            throw SandboxError(.programFailed, "useradd \(name): the user is not there afterwards")
        }
        return user
    }

    /// Starts sshd on a free port; another program may take that port first, so a few are tried.
    private func start(_ marker: inout SandboxMarker, programs: Programs) throws(SandboxError) -> SandboxDescription {
        let hostKey = try publicKey(SandboxFiles.hostKey)
        for _ in 0..<Sandbox.serverAttempts {
            marker.port = try LoopbackServer.freePort()
            try marker.write(in: folder)
            let files = SandboxFiles(marker: marker, authorizedKeysPath: authorizedKeys(marker))
            try write(files.serverConfigurationText, to: marker.serverConfiguration)
            try write(files.knownHostsText(publicKey: hostKey), to: "\(folder)/\(SandboxFiles.knownHosts)")
            try write(files.taskFileText, to: "\(folder)/\(SandboxFiles.taskFile)")
            let log = "\(folder)/\(SandboxFiles.serverLog)"
            try programs.server.run(["-t", "-f", marker.serverConfiguration])
            try programs.server.run(["-f", marker.serverConfiguration, "-E", log])
            if let started = try waitForServer(marker) { return started }
            let said = try tail(of: log)
            guard said.contains("Address already in use") else {
                throw SandboxError(.noServer, "sshd ended at its start", underlying: said)
            }
        }
        throw SandboxError(.noServer, "sshd found no free port in \(Sandbox.serverAttempts) attempts; try again")
    }

    /// Waits until sshd holds its port and greets; nil when it ended before that.
    ///
    /// sshd writes its process id only after it listens, so an answer on the port is then its own.
    private func waitForServer(_ marker: SandboxMarker) throws(SandboxError) -> SandboxDescription? {
        let deadline = ContinuousClock.now + Sandbox.serverTimeout
        while ContinuousClock.now < deadline {
            guard var started = try description(of: marker) else { return nil }
            let isListening = access("\(folder)/\(SandboxFiles.processID)", F_OK) == 0
            if isListening, LoopbackServer.greets(address: SandboxFiles.address(0), port: marker.port) {
                started.isNew = true
                return started
            }
            usleep(Sandbox.pollMicroseconds)
        }
        let log = try tail(of: "\(folder)/\(SandboxFiles.serverLog)")
        let address = "\(SandboxFiles.address(0)) port \(marker.port)"
        throw SandboxError(.noServer, "sshd did not answer on \(address) within 10 s", underlying: log)
    }

    /// Removes everything, the folder last.
    func tearDown(_ marker: SandboxMarker, programs: Programs) throws(SandboxError) {
        try SandboxProcesses(marker: marker).end()
        if marker.hasOwnUser, let tools = programs.userTools,
            let user = SandboxUser.find(marker.user), user.comment == marker.userComment
        {
            // All its processes have ended; -f is for zombies, which userdel would count as running.
            try tools.remove.run(["-r", "-f", user.name], accepting: [0, Sandbox.userMissing])
        }
        if marker.hasOwnRunFolder, !SandboxProcesses.isAnyServerRunning, rmdir(Sandbox.runFolder) != 0, errno != ENOENT
        {
            throw SandboxError(.file, "\(Sandbox.runFolder): can't be removed", underlying: systemReason(errno))
        }
        do {
            try FileManager.default.removeItem(atPath: folder)
        } catch {
            throw SandboxError(.file, "\(folder): can't be removed", underlying: error.localizedDescription)
        }
    }

    /// sshd reads the keys as the user who logs in, who can't look into a folder of root's.
    private func authorizedKeys(_ marker: SandboxMarker) -> String {
        let name = SandboxFiles.authorizedKeys
        guard marker.hasOwnUser, let user = SandboxUser.find(marker.user) else { return "\(folder)/\(name)" }
        return "\(user.home)/.ssh/\(name)"
    }
}
