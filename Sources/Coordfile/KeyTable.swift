/// The keys of one kind of mapping in the task file.
struct KeyTable {
    /// What the mapping is called in messages.
    let name: String

    /// Keys that are carried out.
    let known: [String]

    /// Keys of the task file's language that this version does not carry out, and says so.
    var later: [String] = []

    /// What to write for keys that other tools or other places have taught.
    var advice: [String: String] = [:]

    static let file = KeyTable(
        name: "the task file",
        known: ["roles", "defaults", "hosts", "tasks"],
        later: ["agents", "include", "vars"],
        advice: [
            "task": "did you mean 'tasks'?", "default": "did you mean 'defaults'?", "role": "did you mean 'roles'?",
        ]
    )

    static let defaults = KeyTable(
        name: "'defaults'",
        known: ["user", "port", "identity", "known_hosts", "pool_size", "connect_timeout", "timeout"],
        advice: ["command_timeout": "it is called 'timeout'"]
    )

    static let hostSettings = KeyTable(
        name: "the settings of a host",
        known: ["user", "port", "identity", "known_hosts"],
        advice: [
            "pool_size": "it belongs in 'defaults' or a task",
            "connect_timeout": "it belongs in 'defaults'",
            "timeout": "it belongs in 'defaults' or a task",
        ]
    )

    static let task = KeyTable(
        name: "a task",
        known: ["doc", "roles", "hosts", "mode", "pool_size", "timeout", "env", "run", "steps"],
        later: [
            "args", "batch", "get", "idempotent", "include", "local", "max_failures", "once", "put", "register",
            "retries",
            "retry_delay", "script", "sudo", "task", "vars", "when",
        ],
        advice: [
            "host": "did you mean 'hosts'?", "role": "did you mean 'roles'?", "step": "did you mean 'steps'?",
            "parallel": "write 'mode: parallel'", "sequential": "write 'mode: sequential'",
            "command": "it is called 'run'", "environment": "it is called 'env'", "description": "it is called 'doc'",
        ]
    )

    static let step = KeyTable(
        name: "a step",
        known: ["run"],
        later: [
            "args", "env", "get", "local", "once", "put", "register", "retries", "retry_delay", "script", "sudo",
            "task",
            "timeout", "vars", "when",
        ],
        advice: ["command": "it is called 'run'"]
    )

    static let role = KeyTable(name: "a role", known: [], later: ["command"])

    /// The hint for a key that is in none of the lists.
    func hint(for key: String) -> String {
        if let advice = advice[key] { return advice }
        if let near = nearest(key, among: known + later) { return "did you mean '\(near)'?" }
        return "\(name) takes " + known.joined(separator: ", ")
    }
}
