import Yams

extension CoordfileReader {
    /// `tasks:`, in the order written.
    mutating func tasks(_ node: Node, roles: RoleTable) -> [TaskDefinition] {
        var tasks: [TaskDefinition] = []
        for entry in entries(of: node, "'tasks'") {
            guard Self.isName(entry.key) else {
                let hint = "at most \(Self.longestName) letters, digits, '_', '.' and '-', a letter first"
                note(.invalidValue, at: entry.place, "\(quoted(entry.key)) is no name for a task", hint)
                continue
            }
            tasks.append(task(entry, roles: roles))
        }
        return tasks
    }

    private mutating func task(_ entry: Entry, roles: RoleTable) -> TaskDefinition {
        let name = "task '\(entry.key)'"
        let problemsBefore = problems.count
        let entries = entries(of: entry.value, name, table: .task)
        if entries["run"] == nil, entries["steps"] == nil, problems.count == problemsBefore {
            note(.missing, at: entry.place, "\(name) does nothing", "give it 'run: COMMAND' or 'steps:'")
        }
        if let run = entries["run"], let steps = entries["steps"] {
            let place = max(run.place, steps.place)
            note(.invalidValue, at: place, "\(name) has both 'run' and 'steps'", "move the command into the steps")
        }
        let run = read(entries["run"]) { $0.command($1, "'run' of \(name)") }
        return TaskDefinition(
            name: entry.key,
            doc: read(entries["doc"]) { $0.string($1, "'doc' of \(name)") },
            hosts: read(entries["hosts"]) { $0.taskHosts($1, name, roles: roles) } ?? [],
            roles: read(entries["roles"]) { $0.taskRoles($1, name, roles: roles) } ?? [],
            mode: read(entries["mode"]) { $0.mode($1, name) },
            poolSize: read(entries["pool_size"]) { $0.integer($1, "'pool_size' of \(name)", in: Coordfile.poolSizes) },
            timeout: read(entries["timeout"]) { $0.duration($1, "'timeout' of \(name)") },
            environment: read(entries["env"]) { $0.environment($1, name) } ?? [],
            steps: run.map { [.run($0)] } ?? read(entries["steps"]) { $0.steps($1, name) } ?? [],
            line: entry.place.line
        )
    }

    private mutating func taskHosts(_ node: Node, _ task: String, roles: RoleTable) -> [String] {
        let name = "'hosts' of \(task)"
        let expressions = hostExpressions(node, name)
        checkDefined(in: node, name, roles: roles)
        return expressions
    }

    private mutating func taskRoles(_ node: Node, _ task: String, roles: RoleTable) -> [String] {
        let name = "'roles' of \(task)"
        var names: [String] = []
        for node in list(node, name, of: "role names") {
            guard let text = string(node, name) else { continue }
            if roles[text] != nil {
                names.append(text)
            } else if Self.isName(text) {
                noteUndefined(text, at: node.position, name, roles: roles)
            } else {
                let hint =
                    text.hasPrefix("@")
                    ? "write the name without '@'" : "a list of names; host patterns belong in 'hosts'"
                note(.invalidValue, at: node.position, "\(name): \(quoted(text)) is no name of a role", hint)
            }
        }
        return names
    }

    private mutating func mode(_ node: Node, _ task: String) -> TaskMode? {
        guard let text = string(node, "'mode' of \(task)") else { return nil }
        if let mode = TaskMode(rawValue: text) { return mode }
        let near = nearest(text, among: [TaskMode.parallel.rawValue, TaskMode.sequential.rawValue])
        note(
            .invalidValue,
            at: node.position,
            "'mode' of \(task) is 'parallel' or 'sequential', not \(quoted(text))",
            near.map { "did you mean '\($0)'?" }
        )
        return nil
    }

    private mutating func environment(_ node: Node, _ task: String) -> [EnvironmentVariable] {
        let name = "'env' of \(task)"
        var variables: [EnvironmentVariable] = []
        for entry in entries(of: node, name) {
            guard entry.key.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_]*/) != nil else {
                let hint = "letters, digits and '_', no digit first"
                note(.invalidValue, at: entry.place, "\(name): \(quoted(entry.key)) is no shell variable", hint)
                continue
            }
            guard !entry.key.hasPrefix("COORD_") else {
                let hint = "names beginning with COORD_ are set for every step"
                note(.invalidValue, at: entry.place, "\(name): \(quoted(entry.key)) cannot be set", hint)
                continue
            }
            if entry.value.isMissing {
                note(
                    .missing,
                    at: entry.place,
                    "\(name): \(quoted(entry.key)) has no value",
                    "write \"\" for an empty one"
                )
            } else if let value = string(entry.value, "\(name): \(quoted(entry.key))") {
                variables.append(EnvironmentVariable(name: entry.key, value: value))
            }
        }
        return variables
    }

    // MARK: - Steps

    private mutating func steps(_ node: Node, _ task: String) -> [Step] {
        let name = "'steps' of \(task)"
        guard case .sequence(let sequence) = node else {
            note(.wrongType, at: node.position, "\(name) wants a list", "a line '- run: COMMAND' for each step")
            return []
        }
        if sequence.isEmpty { note(.missing, at: node.position, "\(name) is an empty list") }
        var steps: [Step] = []
        for node in sequence {
            guard case .mapping = node else {
                note(.wrongType, at: node.position, "a step of \(task) wants 'run: COMMAND'", "write '- run: COMMAND'")
                continue
            }
            let problemsBefore = problems.count
            let entries = entries(of: node, "a step of \(task)", table: .step)
            if let command = read(entries["run"], as: { $0.command($1, "'run' of \(task)") }) {
                steps.append(.run(command))
            } else if problems.count == problemsBefore {
                note(.missing, at: node.position, "a step of \(task) does nothing", "give it 'run: COMMAND'")
            }
        }
        return steps
    }

    private mutating func command(_ node: Node, _ name: String) -> String? {
        guard let text = string(node, name) else { return nil }
        guard text.contains(where: { !$0.isWhitespace }) else {
            note(.invalidValue, at: node.position, "\(name) is an empty command")
            return nil
        }
        return text
    }
}
