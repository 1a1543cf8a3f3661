/// Why it cannot be said what runs where; nothing has been connected to.
public struct PlanningError: Error, Sendable, CustomStringConvertible, Equatable {
    /// The kinds of problems.
    public enum Code: Sendable {
        /// A host expression or a host in it cannot be read.
        case invalidPattern
        /// A role that the task file does not define.
        case unknownRole
        /// More hosts than one run takes.
        case tooManyHosts
        /// Neither command line nor task names a host.
        case noHosts
        /// The exclusions left none.
        case allExcluded
        /// Flags that contradict each other, or a number out of range.
        case usage
    }

    /// The kind of problem.
    public let code: Code

    /// What is wrong; one line, free of control characters.
    public let message: String

    /// What to do about it; one line, free of control characters.
    public let hint: String?

    /// The message, and the hint where there is one.
    public var description: String { message + (hint.map { "; \($0)" } ?? "") }

    init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = printable(message)
        self.hint = hint.map { printable($0) }
    }
}
