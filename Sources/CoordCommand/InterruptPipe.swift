import Coordinator
import Glibc
import Synchronization

/// Ctrl-C as something to poll for.
enum InterruptPipe {
    /// Written by the signal handler: write(2) and an atomic load are all that it does.
    private static let writeEnd = Atomic<Int32>(-1)

    /// SIGINT counts once; SIGTERM and SIGHUP, after which nobody presses a second time, count twice.
    ///
    /// - Returns: a descriptor with one byte for each interrupt.
    /// - Throws: ``UsageError`` when the process is out of descriptors.
    static func install() throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw CoordinatorError(.outOfResources, "a socket pair for signals: \(String(cString: strerror(errno)))")
        }
        writeEnd.store(ends[1], ordering: .sequentiallyConsistent)
        // What was to be ignored stays ignored: nohup(1), and SIGINT of a script's background jobs.
        let ignored = ignoredSignals()
        if !ignored.contains(SIGINT) { signal(SIGINT) { _ in InterruptPipe.tell(count: 1) } }
        if !ignored.contains(SIGTERM) { signal(SIGTERM) { _ in InterruptPipe.tell(count: 2) } }
        if !ignored.contains(SIGHUP) { signal(SIGHUP) { _ in InterruptPipe.tell(count: 2) } }
        return ends[0]
    }

    /// Ctrl-C ends the process again: for the last words, which a stopped pager may hold up.
    static func uninstall() {
        let ignored = ignoredSignals()
        for number in [SIGINT, SIGTERM, SIGHUP] where !ignored.contains(number) { signal(number, SIG_DFL) }
    }

    /// Of the three signals those that this process ignores (sigaction(2)).
    private static func ignoredSignals() -> Set<Int32> {
        var action = sigaction()
        return Set(
            [SIGINT, SIGTERM, SIGHUP].filter { number in
                guard sigaction(number, nil, &action) == 0 else { return false }
                return withUnsafeBytes(of: &action.__sigaction_handler) { $0.load(as: UInt.self) } == 1  // SIG_IGN
            }
        )
    }

    private static func tell(count: Int) {
        let saved = errno
        var bytes: (UInt8, UInt8) = (1, 1)
        _ = send(writeEnd.load(ordering: .sequentiallyConsistent), &bytes, count, Int32(MSG_NOSIGNAL))
        errno = saved
    }
}
