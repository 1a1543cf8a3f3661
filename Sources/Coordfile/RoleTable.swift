import HostSets

/// The roles of a task file by name, in the order written.
struct RoleTable {
    let all: [RoleDefinition]
    private let index: [String: Int]

    /// Levels of roles that stand on roles; more is a mistake, and would use up the stack.
    static let mostLevels = 64

    init(_ roles: [RoleDefinition]) {
        all = roles
        index = Dictionary(roles.indices.map { (roles[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    subscript(name: String) -> RoleDefinition? {
        index[name].map { all[$0] }
    }

    /// What to do about a name that is no role.
    func hint(for name: String) -> String {
        let names = all.map(\.name)
        if let near = nearest(name, among: names) { return "did you mean '\(near)'?" }
        if names.isEmpty { return "the task file defines no roles" }
        let shown = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
        return "the roles are \(shown)"
    }

    /// Why a role cannot be followed down to its hosts.
    enum Problem: Equatable {
        /// The roles on the way round, the first one again at the end.
        case cycle([String])
        /// More than `mostLevels` roles on the way down.
        case tooDeep(String)
    }

    /// Follows every reference once; empty when all of them end in patterns. `references` tells a role's own.
    func problems(references: [String: [String]]) -> [Problem] {
        var walk = Walk(references: references)
        for role in all where !walk.isTooDeep {
            _ = walk.levels(below: role.name)
        }
        return walk.problems
    }

    private struct Walk {
        let references: [String: [String]]
        var problems: [Problem] = []
        var isTooDeep = false
        private var path: [String] = []
        private var measured: [String: Int] = [:]

        init(references: [String: [String]]) {
            self.references = references
        }

        mutating func levels(below name: String) -> Int {
            if let known = measured[name] { return known }
            if let start = path.firstIndex(of: name) {
                problems.append(.cycle(path[start...] + [name]))
                return 0
            }
            path.append(name)
            var deepest = 0
            if path.count <= mostLevels {
                for reference in references[name] ?? [] {
                    deepest = max(deepest, levels(below: reference))
                }
            }
            path.removeLast()
            if path.count == mostLevels || deepest >= mostLevels, !isTooDeep {
                isTooDeep = true
                problems.append(.tooDeep(path.first ?? name))
            }
            measured[name] = deepest + 1
            return deepest + 1
        }
    }
}
