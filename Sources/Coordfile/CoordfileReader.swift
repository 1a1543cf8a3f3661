import HostSets
import Yams

// From the tree of nodes to a `Coordfile`. Every function reads one kind of node: it returns what it could make of it
// and notes what is wrong, so that one reading finds all the problems of a file. A file with a problem yields nothing.
// Nothing is passed over: a key is carried out, or noted as unknown or as not supported yet.
//
// Scalars are taken as they are written: `run: true` is the command `true`, and `env: {DEBUG: yes}` the text `yes`.

/// Reads one task file and collects its problems.
struct CoordfileReader {
    let path: String
    let paths: PathRules
    private(set) var problems: [CoordfileError] = []

    /// More than a person mends at one go; keeps a broken file of megabytes from filling the terminal.
    static let mostProblems = 20

    init(path: String, paths: PathRules) {
        self.path = path
        self.paths = paths
    }

    /// Reads the whole file.
    ///
    /// - Throws: the first problem, with the `others` of the file.
    mutating func read(_ root: Node) throws(CoordfileError) -> Coordfile {
        let entries = entries(of: root, KeyTable.file.name, table: .file)
        var file = Coordfile(path: path)
        file.roles = read(entries["roles"], as: { $0.roles($1) }) ?? []
        file.defaults = read(entries["defaults"], as: { $0.defaults($1) }) ?? Defaults()
        let roles = RoleTable(file.roles)
        file.hostRules = read(entries["hosts"], as: { $0.hostRules($1, roles: roles) }) ?? []
        file.tasks = read(entries["tasks"], as: { $0.tasks($1, roles: roles) }) ?? []
        try throwProblems()
        return file
    }

    private func throwProblems() throws(CoordfileError) {
        let sorted = problems.sorted { ($0.line ?? 0, $0.column ?? 0) < ($1.line ?? 0, $1.column ?? 0) }
        guard let first = sorted.first else { return }
        throw CoordfileError(
            code: first.code,
            file: path,
            line: first.line,
            column: first.column,
            message: first.message,
            hint: first.hint,
            others: Array(sorted.dropFirst())
        )
    }

    mutating func read<Value>(_ entry: Entry?, as reading: (inout Self, Node) -> Value?) -> Value? {
        entry.flatMap { reading(&self, $0.value) }
    }

    // MARK: - Problems

    /// Adds a problem, unless the list is full; the hint is worked out for those only that are listed.
    mutating func note(
        _ code: CoordfileError.Code,
        at place: Position,
        _ message: String,
        _ hint: @autoclosure () -> String? = nil
    ) {
        guard problems.count < Self.mostProblems else { return }
        let problem = CoordfileError(
            code: code,
            file: path,
            line: place.line,
            column: place.column,
            message: message,
            hint: hint()
        )
        // Two ways may lead to one finding, as for a role that several others name.
        if !problems.contains(problem) { problems.append(problem) }
    }

    // MARK: - Mappings

    /// One `key: value` of a mapping.
    struct Entry {
        let key: String
        let place: Position
        let value: Node
    }

    /// The entries of a mapping whose keys are names that the file itself chooses, in the order written.
    mutating func entries(of node: Node, _ name: String) -> [Entry] {
        guard case .mapping(let mapping) = node else {
            note(.wrongType, at: node.position, "\(name) \(wants(a: "a mapping ('key: value' lines)", not: node))")
            return []
        }
        guard hasPlainTag(node, name) else { return [] }
        var entries: [Entry] = []
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key, !key.isMissing else {
                note(.wrongType, at: key.position, "a key in \(name) has to be a name")
                continue
            }
            guard scalar.string != "<<" || scalar.style != .plain else {
                note(.unsupportedYAML, at: key.position, "merge keys ('<<') are not supported in a task file")
                continue
            }
            guard hasPlainTag(key, "a key in \(name)") else { continue }
            entries.append(Entry(key: scalar.string, place: key.position, value: value))
        }
        return entries
    }

    /// The entries of a mapping whose keys the table lists; notes all others.
    mutating func entries(of node: Node, _ name: String, table: KeyTable) -> [String: Entry] {
        var result: [String: Entry] = [:]
        for entry in entries(of: node, name) {
            if table.known.contains(entry.key) {
                result[entry.key] = entry
            } else if table.later.contains(entry.key) {
                note(.notSupportedYet, at: entry.place, "'\(entry.key)' is not supported by this version yet")
            } else {
                let message = "unknown key \(quoted(entry.key)) in \(name)"
                note(.unknownKey, at: entry.place, message, table.hint(for: entry.key))
            }
        }
        return result
    }

    /// The nodes of a list; a single scalar counts as a list of one.
    mutating func list(_ node: Node, _ name: String, of what: String) -> [Node] {
        switch node {
        case .scalar where !node.isMissing:
            return [node]
        case .sequence(let sequence) where sequence.isEmpty:
            note(.missing, at: node.position, "\(name) is an empty list", "leave it out, or name \(what)")
            return []
        case .sequence(let sequence):
            return hasPlainTag(node, name) ? Array(sequence) : []
        case .scalar, .mapping, .alias:
            note(.wrongType, at: node.position, "\(name) \(wants(a: "a list of \(what)", not: node))")
            return []
        }
    }

    // MARK: - Scalars

    /// Any scalar but nothing, as it is written.
    mutating func string(_ node: Node, _ name: String) -> String? {
        guard case .scalar(let scalar) = node, !node.isMissing else {
            note(.wrongType, at: node.position, "\(name) \(wants(a: "a text", not: node))")
            return nil
        }
        guard hasPlainTag(node, name) else { return nil }
        guard !scalar.string.unicodeScalars.contains("\0") else {
            note(.invalidValue, at: node.position, "\(name) holds a NUL character")
            return nil
        }
        return scalar.string
    }

    /// A decimal number without quotes.
    mutating func integer(_ node: Node, _ name: String, in range: ClosedRange<Int>) -> Int? {
        guard let text = string(node, name) else { return nil }
        let isNumber = text.wholeMatch(of: /-?(0|[1-9][0-9]*)/) != nil
        guard isNumber, node.scalar?.style == .plain else {
            note(.wrongType, at: node.position, "\(name) wants a number, not \(quoted(text))", "digits without quotes")
            return nil
        }
        guard let value = Int(text), range.contains(value) else {
            let message = "\(name) is \(text.prefix(20)), not from \(range.lowerBound) to \(range.upperBound)"
            note(.invalidValue, at: node.position, message)
            return nil
        }
        return value
    }

    mutating func duration(_ node: Node, _ name: String) -> Duration? {
        guard let text = string(node, name) else { return nil }
        do {
            return try parseDuration(text)
        } catch {
            note(.invalidValue, at: node.position, "\(name): \(error.text) \(error.message)", error.hint)
            return nil
        }
    }

    private mutating func hasPlainTag(_ node: Node, _ name: String) -> Bool {
        let tag =
            switch node {
            case .scalar(let scalar): scalar.tag.rawValue
            case .sequence(let sequence): sequence.tag.rawValue
            case .mapping(let mapping): mapping.tag.rawValue
            case .alias(let alias): alias.tag.rawValue
            }
        let standard = ["", "!", Tag.Name.str.rawValue, Tag.Name.seq.rawValue, Tag.Name.map.rawValue]
        if standard.contains(tag) { return true }
        note(
            .unsupportedYAML,
            at: node.position,
            "\(name): YAML tags (\(quoted(tag))) are not supported in a task file",
            "quote a value that begins with '!'"
        )
        return false
    }

    private func wants(a kind: String, not node: Node) -> String {
        if node.isMissing { return "has no value" }
        return switch node {
        case .scalar(let scalar): "wants \(kind), not \(quoted(scalar.string))"
        case .sequence: "wants \(kind), not a list"
        case .mapping: "wants \(kind), not a mapping"
        case .alias: "wants \(kind), not an alias"
        }
    }
}
