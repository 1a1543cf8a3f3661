/// A set of hosts as nodeset(1) sorts and folds it: `web[01-03,7],db1`.
///
/// A name is cut into text and runs of digits. Names with the same text form a family, ordered by that text; within
/// one, a host is a point whose coordinates are its numbers. A family with one number folds into ranges; one with
/// several is folded into boxes (`VectorFolding`), and its hosts are listed box by box, as nodeset lists them.
/// Different from nodeset: runs of more than 17 digits and what stands in the brackets of `[::1]:22` are text.
/// Costs: sorting, and for families that don't fold well some passes over them; memory in proportion to the hosts.
public struct NodeSet: Sendable {
    private let families: [HostFamily]
    /// How many different hosts there are.
    public let count: Int

    /// A set of hosts as `HostAddress` accepts them; any order, duplicates are dropped.
    public init(_ hosts: some Sequence<String>) {
        var builders: [HostFamily.Builder] = []
        var positions: [[UInt8]: Int] = [:]
        var shape = HostShape()
        var latest = 0
        for host in hosts {
            shape.read(host)
            // Neighbours mostly belong to one family: no need to hash again.
            if builders.isEmpty || builders[latest].key != shape.key {
                if let position = positions[shape.key] {
                    latest = position
                } else {
                    latest = builders.count
                    positions[shape.key] = latest
                    builders.append(HostFamily.Builder(shape))
                }
            }
            builders[latest].add(shape.indices)
        }
        builders.sort { $0.key.lexicographicallyPrecedes($1.key) }
        families = builders.map { $0.build() }
        count = families.reduce(0) { $0 + $1.count }
    }

    /// The hosts, each once, in the order of `nodeset --expand`.
    public var hosts: [String] {
        var hosts: [String] = []
        hosts.reserveCapacity(count)
        for family in families {
            family.appendHosts(to: &hosts)
        }
        return hosts
    }

    /// The hosts as one expression, as `nodeset --fold` prints it; empty when there are none.
    public var folded: String {
        var bytes: [UInt8] = []
        for family in families {
            family.appendFolded(to: &bytes)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension NodeSet {
    /// The hosts of an expression, as `nodeset --expand` lists them.
    ///
    /// - Throws: `HostSetError` for text that is no expression or stands for too many hosts; what `role` throws.
    public static func expand(
        _ expression: String,
        limit: Int = HostExpression.defaultLimit,
        role: (String) throws -> [String] = NodeSet.refuseRole
    ) throws -> [String] {
        try NodeSet(HostExpression(parsing: expression).hosts(limit: limit, role: role)).hosts
    }

    /// Hosts as one expression, as `nodeset --fold` prints it.
    public static func fold(_ hosts: some Sequence<String>) -> String {
        NodeSet(hosts).folded
    }

    /// How many different hosts an expression stands for.
    ///
    /// - Throws: as `expand`.
    public static func count(
        _ expression: String,
        limit: Int = HostExpression.defaultLimit,
        role: (String) throws -> [String] = NodeSet.refuseRole
    ) throws -> Int {
        try HostExpression(parsing: expression).hosts(limit: limit, role: role).count
    }

    /// What `role:` is where there are no roles.
    ///
    /// - Throws: `HostSetError` always, naming the role.
    public static func refuseRole(_ name: String) throws -> [String] {
        let message = "there is no task file here that defines roles; name the hosts themselves"
        throw HostSetError(code: .invalidRole, text: "@\(name)", offset: nil, message: message)
    }
}
