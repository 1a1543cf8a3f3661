/// Names one worker of a pool for the pool's life; never used twice.
public struct WorkerID: Hashable, Comparable, Sendable {
    /// Counted up from 1 by the agent.
    public let rawValue: UInt64

    /// The worker with that number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// In the order of their numbers.
    public static func < (left: WorkerID, right: WorkerID) -> Bool { left.rawValue < right.rawValue }
}

/// How a process ended, as waitpid(2) tells it.
public enum ProcessEnd: Equatable, Sendable {
    /// exit(3) with this status.
    case exited(Int32)
    /// Killed by this signal.
    case signalled(Int32)

    /// Reads the status word of waitpid(2).
    public init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .signalled(signal)
    }
}
