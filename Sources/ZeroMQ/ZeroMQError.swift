import CZeroMQ
import Glibc

/// A call that ZeroMQ refused.
public struct ZeroMQError: Error, Equatable, Sendable, CustomStringConvertible {
    /// zmq_errno(3): an errno, or one of ZeroMQ's own above 156384712.
    public let code: Int32
    /// The call and what it was for.
    public let operation: String

    /// The peer is not there (a ROUTER that must not drop says so).
    public static let hostUnreachable = EHOSTUNREACH

    /// One line for people.
    public var description: String { "\(operation): \(String(cString: zmq_strerror(code)))" }

    static func last(_ operation: String) -> ZeroMQError {
        ZeroMQError(code: zmq_errno(), operation: operation)
    }
}

/// Throws what zmq_errno(3) tells when `result` is negative.
func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(ZeroMQError) {
    if result < 0 { throw .last(operation()) }
}
