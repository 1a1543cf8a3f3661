// One agent process on this machine. It is started in a session of its own, so that a Ctrl-C in the terminal is the
// coordinator's alone. Two pipes tell of it: the lifeline is its standard input and nobody else's, so that it notices the
// coordinator's end; the family pipe is held by the agent, its pool and its workers, so that its end means that the last
// of them is gone.

import Foundation
import Glibc

/// A local agent's process, from its start until nothing of it is left.
final class LocalAgentProcess {
    /// The path that it listens on.
    let socketPath: String
    private let pid: pid_t
    /// Readable at its end: the agent itself has ended; -1 after ``letGo()``.
    private(set) var lifeline: Int32
    /// Readable at its end: the last process of the agent's family is gone.
    private(set) var family: Int32
    private var hasExited = false

    private static let spawnSetsid: Int16 = 0x80  // POSIX_SPAWN_SETSID of glibc's spawn.h

    /// Starts the program.
    ///
    /// - Throws: ``CoordinatorError`` (`agent`).
    init(program: String, name: String, socketPath: String) throws(CoordinatorError) {
        self.socketPath = socketPath
        let lifeline = try Pipe.make(for: "the lifeline of \(name)")
        let family = try Pipe.make(for: "the family of \(name)")
        defer {
            close(lifeline.read)
            close(family.write)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, lifeline.read, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, family.write, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Self.spawnSetsid)
        let words = [program, "--local", socketPath, "--name", name]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, program, &actions, &attributes, &arguments, environ)
        guard result == 0 else {
            close(lifeline.write)
            close(family.read)
            throw CoordinatorError(.agent, "start \(program)", errno: result)
        }
        self.pid = pid
        self.lifeline = lifeline.write
        self.family = family.read
    }

    deinit {
        if lifeline >= 0 { close(lifeline) }
        if family >= 0 { close(family) }
    }

    /// Reaps the agent when it has ended.
    var isRunning: Bool {
        if hasExited { return false }
        var status: Int32 = 0
        if waitpid(pid, &status, WNOHANG) == pid { hasExited = true }
        return !hasExited
    }

    /// True when neither the agent nor its pool nor a worker is left. Closes the family pipe then.
    var isGone: Bool {
        guard !isRunning else { return false }
        guard family >= 0 else { return true }
        var byte: UInt8 = 0
        guard read(family, &byte, 1) == 0 else { return false }
        close(family)
        family = -1
        return true
    }

    /// Tells the agent to end itself, its workers first.
    func letGo() {
        guard lifeline >= 0 else { return }
        close(lifeline)
        lifeline = -1
    }

    /// SIGKILL; its pool and workers see it and end by themselves. Works on a stopped agent too.
    func kill() {
        letGo()
        if isRunning { Glibc.kill(pid, SIGKILL) }
    }
}
