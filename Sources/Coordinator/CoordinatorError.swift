import SystemPackage

/// What keeps a run from starting or going on.
public struct CoordinatorError: Error, Sendable, CustomStringConvertible {
    /// The kinds that callers tell apart.
    public enum Code: Sendable, Equatable {
        /// What the user asked for makes no sense: exit status 2.
        case usage
        /// Descriptors, processes, memory.
        case outOfResources
        /// The state folder or the journal in it can't be used.
        case journal
        /// An agent could not be started or opened.
        case agent
        /// A mistake of ours.
        case `internal`
    }

    /// The kind.
    public let code: Code
    /// One line: what was tried on what, and what to do next.
    public let message: String

    /// An error that says `message`.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ code: Code, _ operation: String, errno: Int32) {
        self.init(code, "\(operation): \(Errno(rawValue: errno))")
    }

    /// One line for people.
    public var description: String { message }
}
