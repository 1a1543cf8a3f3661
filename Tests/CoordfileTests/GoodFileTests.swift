import Glibc
import Testing

@testable import Coordfile

private func parse(_ text: String) throws -> Coordfile {
    let paths = PathRules(folder: "/srv/tasks", home: "/home/user")
    return try Coordfile.parse(text, path: "/srv/tasks/Coordfile.yaml", paths: paths)
}

@Suite struct GoodFileTests {
    static let whole = """
        # Everything that this version carries out.
        roles:
          servers: web[01-53].example.org
          db: [db1, db2]
          ops.1: ["adm[1-2]", root@gate:2222]
          all: "@servers,@db!db2"
        defaults: {user: deploy, port: 2200, pool_size: 20, connect_timeout: 10s, timeout: 5m,
                   identity: ~/.ssh/id, known_hosts: ./known_hosts}
        hosts:
          "db*": {port: 2222, identity: keys/db}
          db1: {port: 1, user: postgres}
          "@servers": {known_hosts: /etc/known}
        tasks:
          poke:
            doc: Sleep on every server.
            roles: [servers]
            run: sleep 10
          deploy-2.x:
            mode: parallel
            roles: db
            hosts: "web[1-2]"
            pool_size: 5
            timeout: 1.5s
            env: {LANG: C, PORT: 8080, DEBUG: yes, EMPTY: "", _x: ~/bin}
            steps:
              - run: uptime
              - run: |
                  cd /srv
                  ls
          last: {mode: sequential, run: true, hosts: [a, "b[1-2]"]}
        """

    @Test func everythingIsRead() throws {
        let file = try parse(Self.whole)
        #expect(file.roles.map(\.name) == ["servers", "db", "ops.1", "all"])
        #expect(file.roles.map(\.line) == [3, 4, 5, 6])
        #expect(file.roles[1].expressions == ["db1", "db2"])
        #expect(file.defaults.poolSize == 20)
        #expect(file.defaults.connectTimeout == .seconds(10))
        #expect(file.defaults.timeout == .seconds(300))
        #expect(file.hostRules.map(\.pattern) == ["db*", "db1", "@servers"])
        #expect(file.tasks.map(\.name) == ["poke", "deploy-2.x", "last"])
        #expect(file.tasks.map(\.line) == [14, 18, 30])
        let poke = TaskDefinition(
            name: "poke",
            doc: "Sleep on every server.",
            roles: ["servers"],
            steps: [.run("sleep 10")],
            line: 14
        )
        #expect(file.tasks[0] == poke)
        let deploy = file.tasks[1]
        #expect(deploy.mode == .parallel)
        #expect(deploy.hosts == ["web[1-2]"])
        #expect(deploy.roles == ["db"])
        #expect(deploy.poolSize == 5)
        #expect(deploy.timeout == .milliseconds(1500))
        #expect(deploy.steps == [.run("uptime"), .run("cd /srv\nls\n")])
        let variables = deploy.environment.map { "\($0.name)=\($0.value)" }
        #expect(variables == ["LANG=C", "PORT=8080", "DEBUG=yes", "EMPTY=", "_x=~/bin"])
        #expect(file.tasks[2].steps == [.run("true")])
        #expect(file.tasks[2].mode == .sequential)
    }

    @Test(
        arguments: [
            // The first entry that has a setting wins, then the defaults; the name alone is matched.
            ("db1", "postgres", 2222, "/srv/tasks/keys/db", "/srv/tasks/known_hosts"),
            ("db2", "deploy", 2222, "/srv/tasks/keys/db", "/srv/tasks/known_hosts"),
            ("root@db1:7", "postgres", 2222, "/srv/tasks/keys/db", "/srv/tasks/known_hosts"),
            ("web07.example.org", "deploy", 2200, "/home/user/.ssh/id", "/etc/known"),
            ("web7.example.org", "deploy", 2200, "/home/user/.ssh/id", "/srv/tasks/known_hosts"),
            ("mydb1", "deploy", 2200, "/home/user/.ssh/id", "/srv/tasks/known_hosts"),
            ("::1", "deploy", 2200, "/home/user/.ssh/id", "/srv/tasks/known_hosts"),
        ]
    )
    func settingsAreMerged(_ row: (host: String, user: String, port: Int, identity: String, known: String)) throws {
        let settings = try parse(Self.whole).settings(forHost: row.host)
        #expect(settings.user == row.user)
        #expect(settings.port == row.port)
        #expect(settings.identity == row.identity)
        #expect(settings.knownHosts == row.known)
    }

    @Test func aFileWithoutSettingsSaysNothing() throws {
        let file = try parse("tasks: {a: {run: x}}")
        #expect(file.settings(forHost: "a") == HostSettings())
        #expect(file.defaults == Defaults())
    }

    @Test(
        arguments: [
            ("roles: {}\n", 0), ("tasks: {}\n", 0), ("\u{FEFF}tasks: {a: {run: x}}\n", 1),
            ("tasks:\r\n  a:\r\n    run: x\r\n", 1), ("tasks: {a: {run: x}}", 1),
            ("--- \ntasks: {a: {run: x}}\n...\n", 1),
            ("tasks: {\"a\": {'run': !!str x}}\n", 1), ("{tasks: {a: {run: x}, b: {run: y}}}\n", 2),
            ("tasks: {a: {run: x, env: {}}}\n", 1), ("hosts: {'::1': {port: 1}, '?b': {}}\n", 0),
            ("roles: {a: '@b', b: ['@c', '@c'], c: x, d: '@a&@b^@c'}\n", 0),
        ]
    )
    func smallFilesAreRead(_ row: (text: String, tasks: Int)) throws {
        #expect(try parse(row.text).tasks.count == row.tasks)
    }

    @Test(
        arguments: [
            ("db*", "db1", true), ("db*", "db", true), ("db*", "adb", false), ("*", "", true), ("?", "", false),
            ("d?1", "db1", true), ("d?1", "d1", false), ("*.dc1", "web.dc1", true), ("*.dc1", "web.dc12", false),
            ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXbY", false), ("**", "x", true), ("", "", true), ("", "x", false),
        ]
    )
    func globsMatch(_ row: (glob: String, name: String, matches: Bool)) {
        #expect(globMatches(Array(row.glob.utf8), Array(row.name.utf8)) == row.matches)
    }

    @Test(
        arguments: [
            ("/a/b", "/a/b"), ("~", "/home/user"), ("~/k", "/home/user/k"), ("k", "/srv/tasks/k"),
            ("./k", "/srv/tasks/k"), ("././k", "/srv/tasks/k"), ("../k", "/srv/tasks/../k"), ("~other/k", nil),
        ]
    )
    func pathsBecomeAbsolute(_ row: (path: String, absolute: String?)) {
        #expect(PathRules(folder: "/srv/tasks", home: "/home/user").absolute(row.path) == row.absolute)
    }

    @Test func theHomeFolderHasToBeKnown() {
        #expect(PathRules(folder: "/", home: nil).absolute("~/k") == nil)
        #expect(PathRules(folder: "/", home: nil).absolute("k") == "/k")
    }

    @Test(arguments: [
        ("poek", "did you mean 'poke'? 'coord list'"), ("x", "there is no task 'x'; 'coord list' shows all"),
    ])
    func anUnknownTaskIsNamed(_ row: (name: String, says: String)) throws {
        let file = try parse(Self.whole)
        let error = try #require(throws: CoordfileError.self) { try file.task(named: row.name) }
        #expect(error.code == .unknownTask)
        #expect(error.description.contains(row.says), "\(error)")
        #expect(try file.task(named: "poke").name == "poke")
    }
}
