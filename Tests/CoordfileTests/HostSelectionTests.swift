import Testing

@testable import Coordfile

private let text = """
    roles:
      web: web[1-3]
      db: [db1, db2]
      ops: ["adm1,root@db1:22", db2]
      all: "@web,@db!web2"
    tasks:
      both: {run: x, hosts: [db2, "web[3-4]"], roles: [web, db]}
      hosts: {run: x, hosts: "c[1-2],c1"}
      algebra: {run: x, hosts: "@all^@web"}
      none: {run: x}
      large: {run: x, hosts: "a[1-101]"}
    """

/// What is asked for, and the entries it comes to.
struct SelectionRow: CustomTestStringConvertible, Sendable {
    let task: String?
    let selection: HostSelection
    let hosts: String

    init(_ task: String?, _ selection: HostSelection, _ hosts: String) {
        self.task = task
        self.selection = selection
        self.hosts = hosts
    }

    var testDescription: String { "\(task ?? "command"): \(selection)" }
}

/// What is asked for, and why it is refused.
struct RefusedRow: CustomTestStringConvertible, Sendable {
    let task: String?
    let selection: HostSelection
    let code: PlanningError.Code
    let says: String

    init(_ task: String?, _ selection: HostSelection, _ code: PlanningError.Code, _ says: String) {
        self.task = task
        self.selection = selection
        self.code = code
        self.says = says
    }

    var testDescription: String { "\(task ?? "command"): \(selection)" }
}

private func resolve(_ task: String?, _ selection: HostSelection, limit: Int = 100) throws -> [String] {
    let file = try Coordfile.parse(text, path: "Coordfile.yaml")
    let task = try task.map { try file.task(named: $0) }
    return try resolveHosts(task: task, file: file, selection: selection, limit: limit).map(\.text)
}

@Suite struct HostSelectionTests {
    static let rows: [SelectionRow] = [
        // The task's own: hosts first, then roles, duplicates dropped.
        SelectionRow("both", HostSelection(), "db2 web3 web4 web1 web2 db1"),
        SelectionRow("hosts", HostSelection(), "c1 c2"),
        SelectionRow("algebra", HostSelection(), "db1 db2 web2"),
        // The command line replaces them.
        SelectionRow("both", HostSelection(hosts: ["z"]), "z"),
        SelectionRow("both", HostSelection(roles: ["db"]), "db1 db2"),
        SelectionRow("both", HostSelection(hostsFile: ["y[1-2]"]), "y1 y2"),
        SelectionRow("none", HostSelection(hosts: ["a", "b,c"]), "a b c"),
        // Within the command line: -H, the file, then roles.
        SelectionRow("both", HostSelection(hosts: ["db2"], roles: ["db"], hostsFile: ["h", "db2"]), "db2 h db1"),
        SelectionRow(nil, HostSelection(roles: ["db,web"]), "db1 db2 web1 web2 web3"),
        SelectionRow(nil, HostSelection(roles: ["db", "web"]), "db1 db2 web1 web2 web3"),
        SelectionRow(nil, HostSelection(roles: [" db , web"]), "db1 db2 web1 web2 web3"),
        SelectionRow(nil, HostSelection(roles: ["ops"]), "adm1 root@db1:22 db2"),
        SelectionRow(nil, HostSelection(roles: ["all"]), "web1 web3 db1 db2"),
        // Roles and algebra in expressions.
        SelectionRow(nil, HostSelection(hosts: ["@db"]), "db1 db2"),
        SelectionRow(nil, HostSelection(hosts: ["x,@all!db1"]), "x web1 web3 db2"),
        SelectionRow(nil, HostSelection(hosts: ["@all&@web"]), "web1 web3"),
        SelectionRow(nil, HostSelection(hostsFile: ["@db", "a"]), "db1 db2 a"),
        SelectionRow(nil, HostSelection(hosts: ["b", "a", "b"]), "b a"),
        SelectionRow(nil, HostSelection(hosts: ["web1,web1:22,u@web1"]), "web1 web1:22 u@web1"),
        SelectionRow(nil, HostSelection(hosts: ["[::1]:22,::1"]), "[::1]:22 ::1"),
        // Duplicates that are wanted.
        SelectionRow(nil, HostSelection(hosts: ["b", "a", "b"], keepDuplicates: true), "b a b"),
        SelectionRow(
            nil,
            HostSelection(hosts: ["a,a"], roles: ["db"], hostsFile: ["db1"], keepDuplicates: true),
            "a a db1 db1 db2"
        ),
        SelectionRow("hosts", HostSelection(keepDuplicates: true), "c1 c2 c1"),
        SelectionRow("both", HostSelection(keepDuplicates: true), "db2 web3 web4 web1 web2 web3 db1 db2"),
        // Exclusions take from every source.
        SelectionRow("both", HostSelection(exclude: ["web[1-3]"]), "db2 web4 db1"),
        SelectionRow("both", HostSelection(exclude: ["@web,db1"]), "db2 web4"),
        SelectionRow("both", HostSelection(roles: ["web"], exclude: ["web1", "web3"]), "web2"),
        SelectionRow(nil, HostSelection(hosts: ["a,b"], hostsFile: ["c"], exclude: ["a", "c"]), "b"),
        SelectionRow(nil, HostSelection(hosts: ["a,b"], exclude: ["nowhere"]), "a b"),
        // A bare name takes every entry of that name, a full one only what is written the same.
        SelectionRow(nil, HostSelection(hosts: ["u@w1:22,w1,w2"], exclude: ["w1"]), "w2"),
        SelectionRow(nil, HostSelection(hosts: ["u@w1:22,w1,u@w1"], exclude: ["u@w1"]), "u@w1:22 w1"),
        SelectionRow(nil, HostSelection(hosts: ["u@w1:22,w1,w1:22"], exclude: ["w1:22"]), "u@w1:22 w1"),
        SelectionRow(nil, HostSelection(hosts: ["[::1]:22,a"], exclude: ["::1"]), "a"),
        SelectionRow(nil, HostSelection(hosts: ["a,a,b"], exclude: ["a"], keepDuplicates: true), "b"),
    ]

    @Test(arguments: rows) func hostsAreMerged(_ row: SelectionRow) throws {
        #expect(try resolve(row.task, row.selection).joined(separator: " ") == row.hosts)
    }

    static let refused: [RefusedRow] = [
        RefusedRow(
            "none",
            HostSelection(),
            .noHosts,
            "task 'none' (Coordfile.yaml:10) names no hosts; give some with --hosts"
        ),
        RefusedRow("large", HostSelection(), .invalidPattern, "the hosts of task 'large' (Coordfile.yaml:11): "),
        RefusedRow(nil, HostSelection(), .noHosts, "no hosts are named; give some with --hosts"),
        RefusedRow("both", HostSelection(hostsFile: []), .noHosts, "the command line names no hosts"),
        RefusedRow(nil, HostSelection(hosts: ["@web&@db"]), .noHosts, "the command line names no hosts"),
        RefusedRow("both", HostSelection(hosts: [""]), .invalidPattern, "--hosts: "),
        RefusedRow(nil, HostSelection(hosts: ["a", "web["]), .invalidPattern, "--hosts: host pattern 'web['"),
        RefusedRow(nil, HostSelection(hosts: ["-oProxyCommand=x"]), .invalidPattern, "--hosts"),
        RefusedRow(nil, HostSelection(hosts: ["a:0"]), .invalidPattern, "--hosts"),
        RefusedRow(nil, HostSelection(hosts: ["a:70000"]), .invalidPattern, "--hosts"),
        RefusedRow(nil, HostSelection(hosts: ["a\0b"]), .invalidPattern, "--hosts"),
        RefusedRow(nil, HostSelection(hosts: ["a\nb"]), .invalidPattern, "--hosts"),
        RefusedRow(nil, HostSelection(hosts: ["a[1-1000000000]"]), .invalidPattern, "1000000000"),
        RefusedRow(nil, HostSelection(hosts: ["a[1-101]"]), .invalidPattern, "101"),
        RefusedRow(nil, HostSelection(hosts: ["a[1-60]", "b[1-60]"]), .tooManyHosts, "more than 100 hosts"),
        RefusedRow(
            nil,
            HostSelection(hosts: ["a[1-60]", "a[1-60]"], keepDuplicates: true),
            .tooManyHosts,
            "more than 100"
        ),
        RefusedRow(nil, HostSelection(hostsFile: ["a", "b]"]), .invalidPattern, "--hosts-file: "),
        RefusedRow(
            nil,
            HostSelection(roles: ["wbe"]),
            .unknownRole,
            "--roles: there is no role 'wbe'; did you mean 'web'?"
        ),
        RefusedRow(nil, HostSelection(roles: ["nowhere"]), .unknownRole, "the roles are web, db, ops, all"),
        RefusedRow(nil, HostSelection(roles: ["web,"]), .unknownRole, "a role without a name"),
        RefusedRow(nil, HostSelection(roles: [""]), .unknownRole, "a role without a name"),
        RefusedRow(nil, HostSelection(roles: ["web*"]), .unknownRole, "there is no role 'web*'"),
        RefusedRow(nil, HostSelection(hosts: ["@wbe"]), .unknownRole, "--hosts: there is no role 'wbe'"),
        RefusedRow("both", HostSelection(exclude: ["@wbe"]), .unknownRole, "--exclude: there is no role 'wbe'"),
        RefusedRow("both", HostSelection(exclude: ["web["]), .invalidPattern, "--exclude: "),
        RefusedRow("both", HostSelection(exclude: ["a[1-1000000000]"]), .invalidPattern, "--exclude: "),
        RefusedRow("both", HostSelection(exclude: ["@web,@db,web4"]), .allExcluded, "--exclude leaves out all 6 hosts"),
        RefusedRow(nil, HostSelection(hosts: ["u@a:1"], exclude: ["a"]), .allExcluded, "leaves out the only host"),
    ]

    @Test(arguments: refused) func badSelectionsAreRefused(_ row: RefusedRow) throws {
        let error = try #require(throws: PlanningError.self) { try resolve(row.task, row.selection) }
        #expect(error.code == row.code)
        #expect(error.description.contains(row.says), "\(error)")
        #expect(!error.description.contains { $0.isNewline || $0 == "\0" })
    }

    @Test func withoutATaskFileThereAreNoRoles() throws {
        for selection in [HostSelection(roles: ["web"]), HostSelection(hosts: ["@web"])] {
            let error = try #require(throws: PlanningError.self) {
                try resolveHosts(task: nil, file: nil, selection: selection)
            }
            #expect(error.code == .unknownRole)
            #expect(error.description.contains("roles are defined in a task file"))
        }
        let hosts = try resolveHosts(task: nil, file: nil, selection: HostSelection(hosts: ["u@a:2"]))
        #expect(hosts.map(\.user) == ["u"] && hosts.map(\.name) == ["a"] && hosts.map(\.port) == [2])
    }

    @Test func aHundredThousandHostsResolve() throws {
        let selection = HostSelection(hosts: ["a[1-100000]"], exclude: ["a[2-100000]"])
        #expect(try resolve(nil, selection, limit: 100_000) == ["a1"])
    }
}
