import HostSets

/// Turns expressions into hosts, each role once however often it is named.
///
/// Roles may name each other so that a plain recursion would take exponential time; remembering what a role came to
/// keeps it linear. The roles must be free of circles, which the reader has seen to.
final class RoleResolver {
    private let roles: RoleTable
    private let limit: Int
    private let keepDuplicates: Bool
    private var known: [String: [String]] = [:]

    init(_ roles: RoleTable, limit: Int, keepDuplicates: Bool) {
        self.roles = roles
        self.limit = limit
        self.keepDuplicates = keepDuplicates
    }

    /// The hosts of an expression, in order.
    func hosts(of expression: HostExpression) throws -> [String] {
        try expression.hosts(limit: limit, keepDuplicates: keepDuplicates, role: hosts(ofRole:))
    }

    /// The hosts of a role, in order.
    func hosts(ofRole name: String) throws -> [String] {
        if let known = known[name] { return known }
        guard let role = roles[name] else {
            throw PlanningError(.unknownRole, "there is no role \(quoted(name))", hint: roles.hint(for: name))
        }
        var hosts = HostList(limit: limit, keepDuplicates: keepDuplicates)
        for expression in role.expressions {
            try hosts.append(contentsOf: self.hosts(of: HostExpression(parsing: expression)))
        }
        known[name] = hosts.all
        return hosts.all
    }
}

/// Hosts in the order they came, with a limit on their number.
struct HostList {
    private(set) var all: [String] = []
    private var seen: Set<String> = []
    private let limit: Int
    private let keepDuplicates: Bool

    init(limit: Int, keepDuplicates: Bool) {
        self.limit = limit
        self.keepDuplicates = keepDuplicates
    }

    mutating func append(contentsOf hosts: [String]) throws(PlanningError) {
        for host in hosts where keepDuplicates || seen.insert(host).inserted {
            guard all.count < limit else {
                throw PlanningError(.tooManyHosts, "these are more than \(limit) hosts, the most in one run")
            }
            all.append(host)
        }
    }
}
