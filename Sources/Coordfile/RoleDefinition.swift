/// A named set of hosts in the task file.
public struct RoleDefinition: Sendable, Equatable {
    /// The name that `-R`, `roles:` and `@name` use.
    public let name: String

    /// Host expressions whose hosts are joined in order; each can be parsed, and names defined roles only.
    public let expressions: [String]

    /// The line of the role's name in the file, from 1 on.
    public let line: Int
}
