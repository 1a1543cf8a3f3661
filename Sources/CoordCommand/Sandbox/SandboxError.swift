/// Why a sandbox could not be put up, taken down or looked at.
struct SandboxError: Error, CustomStringConvertible {
    /// What went wrong.
    enum Code {
        /// The number of hosts is not one that a sandbox can have.
        case hostCount
        /// The folder can't hold a sandbox, or is something else.
        case folder
        /// The folder belongs to another user.
        case owner
        /// Another `coord sandbox` holds the folder.
        case busy
        /// The sandbox is up with other settings.
        case settings
        /// A program that is needed is not installed.
        case missingProgram
        /// A program failed; `underlying` is what it printed.
        case programFailed
        /// sshd did not come up; `underlying` is the end of its log.
        case noServer
        /// Processes of the sandbox did not end.
        case stillRunning
        /// A file could not be read, written or removed.
        case file
    }

    /// What went wrong.
    var code: Code
    /// What was tried, on what, and what to do next.
    var context: String
    /// What the system or a program said.
    var underlying: String?

    init(_ code: Code, _ context: String, underlying: String? = nil) {
        self.code = code
        self.context = context
        self.underlying = underlying
    }

    var description: String {
        guard let underlying, !underlying.isEmpty else { return context }
        return "\(context): \(underlying)"
    }
}
