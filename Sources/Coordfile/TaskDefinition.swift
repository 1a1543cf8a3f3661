/// Whether a task's hosts run at the same time or one after the other.
public enum TaskMode: String, Sendable {
    /// Up to the whole bubble at once.
    case parallel
    /// One host at a time across all agents, in the order listed.
    case sequential
}

/// One thing that a task does on a host.
public enum Step: Sendable, Equatable {
    /// A shell command; not empty, free of NUL.
    case run(String)
}

/// A shell variable that a task's steps see.
public struct EnvironmentVariable: Sendable, Equatable {
    /// A shell identifier that does not begin with `COORD_`.
    public let name: String

    /// Any text without NUL.
    public let value: String

    /// Takes both as they are.
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// A task as the task file defines it.
public struct TaskDefinition: Sendable, Equatable {
    /// The name that `coord run` calls it by.
    public let name: String

    /// What it is for; nil when the file does not say.
    public let doc: String?

    /// Host expressions, in the order written.
    public let hosts: [String]

    /// Names of roles, all defined in the file, in the order written.
    public let roles: [String]

    /// Holds whatever the flags say; nil: the flags decide.
    public let mode: TaskMode?

    /// Workers in each agent's pool; nil: flags and defaults decide.
    public let poolSize: Int?

    /// The most time that the task may take on one host; nil: flags and defaults decide.
    public let timeout: Duration?

    /// The variables, in the order written.
    public let environment: [EnvironmentVariable]

    /// The steps, at least one.
    public let steps: [Step]

    /// The line of the task's name in the file, from 1 on; 0 for a task that no file defines.
    public let line: Int

    /// Takes everything as it is; a task file checks before it calls this.
    public init(
        name: String,
        doc: String? = nil,
        hosts: [String] = [],
        roles: [String] = [],
        mode: TaskMode? = nil,
        poolSize: Int? = nil,
        timeout: Duration? = nil,
        environment: [EnvironmentVariable] = [],
        steps: [Step],
        line: Int = 0
    ) {
        self.name = name
        self.doc = doc
        self.hosts = hosts
        self.roles = roles
        self.mode = mode
        self.poolSize = poolSize
        self.timeout = timeout
        self.environment = environment
        self.steps = steps
        self.line = line
    }
}
