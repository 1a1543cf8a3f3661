import HostSets

// Which hosts a task runs on: Fabric 1's merge. The command line's hosts, hosts file and roles replace the task's own
// as soon as one of them is given. Within one source hosts come first (those of the file after those of -H), then
// roles; the order written is kept, and a host that was there already is dropped unless duplicates are kept. What is
// excluded goes from every source. Every entry that is left is a host that may be connected to by that name.

/// What the command line says about hosts.
public struct HostSelection: Sendable, Equatable {
    /// Host expressions from `-H`; `@role` works in them.
    public var hosts: [String]

    /// Role names from `-R`; each may hold several, separated by commas.
    public var roles: [String]

    /// Host expressions from `--hosts-file`; nil when there is none. An empty file replaces the task's hosts too.
    public var hostsFile: [String]?

    /// Host expressions from `-x`; `@role` works in them. One with a user or a port removes the entry that is written
    /// the same, a bare name removes every entry of that name.
    public var exclude: [String]

    /// Whether a host that is named twice is two entries.
    public var keepDuplicates: Bool

    /// A selection that leaves everything to the task, unless told otherwise.
    public init(
        hosts: [String] = [],
        roles: [String] = [],
        hostsFile: [String]? = nil,
        exclude: [String] = [],
        keepDuplicates: Bool = false
    ) {
        self.hosts = hosts
        self.roles = roles
        self.hostsFile = hostsFile
        self.exclude = exclude
        self.keepDuplicates = keepDuplicates
    }

    fileprivate var namesHosts: Bool {
        !hosts.isEmpty || !roles.isEmpty || hostsFile != nil
    }
}

/// The entries of a task's run, in the order in which they are to start.
///
/// - Parameters:
///   - task: nil for `coord run -- COMMAND`.
///   - file: nil when there is no task file; no role is known then.
///   - limit: the most entries that the run may have.
/// - Throws: `PlanningError` when an expression cannot be read or is too large, a role is unknown, or no host is left.
public func resolveHosts(
    task: TaskDefinition?,
    file: Coordfile?,
    selection: HostSelection,
    limit: Int = Coordfile.mostHosts
) throws(PlanningError) -> [HostAddress] {
    let merge = HostMerge(file: file, limit: limit, keepDuplicates: selection.keepDuplicates)
    var hosts = HostList(limit: limit, keepDuplicates: selection.keepDuplicates)
    if selection.namesHosts {
        try merge.add(selection.hosts, of: "--hosts", to: &hosts)
        try merge.add(selection.hostsFile ?? [], of: "--hosts-file", to: &hosts)
        try merge.add(roles: selection.roles, of: "--roles", to: &hosts)
    } else if let task {
        let name = place(of: task, in: file)
        try merge.add(task.hosts, of: "the hosts of \(name)", to: &hosts)
        try merge.add(roles: task.roles, of: "the roles of \(name)", to: &hosts)
    }
    guard !hosts.all.isEmpty else { throw PlanningError.noHosts(task.map { place(of: $0, in: file) }, selection) }
    let left = try merge.without(selection.exclude, try merge.addresses(hosts.all))
    guard !left.isEmpty else {
        let hosts = hosts.all.count == 1 ? "the only host" : "all \(hosts.all.count) hosts"
        throw PlanningError(.allExcluded, "--exclude leaves out \(hosts)", hint: "nothing would run")
    }
    return left
}

/// The task's name, with file and line where it has them.
private func place(of task: TaskDefinition, in file: Coordfile?) -> String {
    guard let file, task.line > 0 else { return "task '\(task.name)'" }
    return "task '\(task.name)' (\(file.path):\(task.line))"
}

/// The steps of `resolveHosts`.
private struct HostMerge {
    let roles: RoleTable
    let hasFile: Bool
    let limit: Int
    let keepDuplicates: Bool
    let resolver: RoleResolver

    init(file: Coordfile?, limit: Int, keepDuplicates: Bool) {
        roles = RoleTable(file?.roles ?? [])
        hasFile = file != nil
        self.limit = limit
        self.keepDuplicates = keepDuplicates
        resolver = RoleResolver(roles, limit: limit, keepDuplicates: keepDuplicates)
    }

    func add(_ expressions: [String], of source: String, to hosts: inout HostList) throws(PlanningError) {
        for text in expressions {
            try hosts.append(contentsOf: expand(text, of: source, with: resolver))
        }
    }

    func add(roles names: [String], of source: String, to hosts: inout HostList) throws(PlanningError) {
        for name in names.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
            let name = name.trimmingSpaces
            guard !name.isEmpty else {
                throw PlanningError(.unknownRole, "\(source): a role without a name", hint: "write --roles web,db")
            }
            do {
                try hosts.append(contentsOf: resolver.hosts(ofRole: name))
            } catch {
                throw translated(error, source)
            }
        }
    }

    func addresses(_ hosts: [String]) throws(PlanningError) -> [HostAddress] {
        do {
            return try hosts.map(HostAddress.init(parsing:))
        } catch {
            throw translated(error, "hosts")
        }
    }

    func without(_ expressions: [String], _ hosts: [HostAddress]) throws(PlanningError) -> [HostAddress] {
        guard !expressions.isEmpty else { return hosts }
        let resolver = RoleResolver(roles, limit: limit, keepDuplicates: false)
        var names: Set<String> = []
        var texts: Set<String> = []
        for text in expressions {
            for address in try addresses(expand(text, of: "--exclude", with: resolver)) {
                if address.user == nil, address.port == nil {
                    names.insert(address.name)
                } else {
                    texts.insert(address.text)
                }
            }
        }
        return hosts.filter { !names.contains($0.name) && !texts.contains($0.text) }
    }

    private func expand(
        _ text: String,
        of source: String,
        with resolver: RoleResolver
    ) throws(PlanningError) -> [String] {
        do {
            return try resolver.hosts(of: HostExpression(parsing: text))
        } catch {
            throw translated(error, source)
        }
    }

    private func translated(_ error: any Error, _ source: String) -> PlanningError {
        guard let error = error as? PlanningError else {
            return PlanningError(.invalidPattern, "\(source): \(error)")
        }
        let hint =
            error.code == .unknownRole && !hasFile ? "roles are defined in a task file, and none is read" : error.hint
        return PlanningError(error.code, "\(source): \(error.message)", hint: hint)
    }
}

extension PlanningError {
    fileprivate static func noHosts(_ task: String?, _ selection: HostSelection) -> PlanningError {
        let message =
            if selection.namesHosts {
                "the command line names no hosts"
            } else if let task {
                "\(task) names no hosts"
            } else {
                "no hosts are named"
            }
        return PlanningError(.noHosts, message, hint: "give some with --hosts, --roles or --hosts-file")
    }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        let start = drop { $0 == " " }
        return String(start.prefix(start.count - start.reversed().prefix { $0 == " " }.count))
    }
}
