import CForkPool
import Glibc

/// A call that the kernel refused to the fork pool.
public struct ForkPoolError: Error, Equatable, Sendable, CustomStringConvertible {
    /// errno(3).
    public let code: Int32
    /// The call and what it was for.
    public let operation: String

    /// An error of `operation`; `code` is a positive errno.
    public init(code: Int32, operation: String) {
        self.code = code
        self.operation = operation
    }

    /// One line for people.
    public var description: String { "\(operation): \(String(cString: strerror(code)))" }
}

/// Turns the `-errno` of the C shims into a thrown error.
func check(_ result: Int, _ operation: @autoclosure () -> String) throws(ForkPoolError) -> Int {
    if result < 0 { throw ForkPoolError(code: Int32(-result), operation: operation()) }
    return result
}

/// The same for calls that set errno(3) and answer -1.
func checkErrno(_ result: Int32, _ operation: @autoclosure () -> String) throws(ForkPoolError) -> Int32 {
    if result < 0 { throw ForkPoolError(code: errno, operation: operation()) }
    return result
}
