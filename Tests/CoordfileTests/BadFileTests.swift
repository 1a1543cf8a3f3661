import Testing

@testable import Coordfile

/// A file that must be refused: where, why, and what the one line says.
struct BadFile: CustomTestStringConvertible, Sendable {
    let text: String
    let line: Int
    let column: Int
    let code: CoordfileError.Code
    let says: String

    init(_ text: String, _ line: Int, _ column: Int, _ code: CoordfileError.Code, _ says: String) {
        self.text = text
        self.line = line
        self.column = column
        self.code = code
        self.says = says
    }

    var testDescription: String { printable(String(text.prefix(120))) }

    /// Reads the text, which has to fail.
    func problem() throws -> CoordfileError {
        try #require(throws: CoordfileError.self) { try Coordfile.parse(text, path: "Coordfile.yaml") }
    }

    func check() throws {
        let error = try problem()
        #expect(error.code == code)
        #expect(error.line == line && error.column == column, "\(error)")
        #expect(error.description.hasPrefix("Coordfile.yaml:\(line):\(column): "))
        #expect(error.description.contains(says), "\(error)")
        #expect(error.others.isEmpty, "\(error)")
    }
}

private let task = "tasks:\n  poke:\n    run: uptime\n"

@Suite struct BadFileTests {
    static let yaml: [BadFile] = [
        BadFile("", 1, 1, .empty, "the task file is empty"),
        BadFile("   \n\n", 1, 1, .empty, "empty"),
        BadFile("# nothing yet\n", 1, 1, .empty, "empty"),
        BadFile("---\n", 1, 1, .empty, "empty"),
        BadFile("~\n", 1, 1, .empty, "empty"),
        BadFile("tasks:\n\tpoke:\n", 2, 1, .syntax, "a tab where YAML wants spaces; indent with spaces"),
        BadFile("tasks:\n  poke:\n  \trun: uptime\n", 3, 3, .syntax, "a tab"),
        BadFile(
            "roles:\n  web: [web[1-3], db1]\n",
            2,
            12,
            .syntax,
            "quote a host pattern in a list: [\"web[1-3]\", db1]"
        ),
        BadFile("roles: {web: web[1-3]}\n", 1, 17, .syntax, "quote a host pattern"),
        BadFile("tasks:\n  a: {run: uptime, hosts: [db1, web[1-3]]}\n", 2, 36, .syntax, "quote a host pattern"),
        BadFile("roles:\n  all: @web\n", 2, 8, .syntax, "a value cannot begin with '@'; quote it: \"@web\""),
        BadFile("roles:\n  all: [@web, db]\n", 2, 9, .syntax, "quote it: \"@web\""),
        BadFile("hosts:\n  *.dc1: {port: 22}\n", 2, 3, .syntax, "a value cannot begin with '*'; quote it: \"*.dc1\""),
        BadFile("hosts:\n  *db: {port: 22}\n", 2, 3, .syntax, "quote it: \"*db\""),
        BadFile("hosts:\n  %db: {port: 22}\n", 2, 3, .syntax, "cannot begin with '%'"),
        BadFile("roles:\n  a: [web1, db1\n", 2, 6, .syntax, "this list is not closed"),
        BadFile("defaults: {user: x\ntasks: {}\n", 1, 11, .syntax, "this mapping is not closed"),
        BadFile("tasks:\n  a:\n    run: \"uptime\n", 3, 10, .syntax, "a quote that is not closed"),
        BadFile("tasks:\n  a:\n    run: echo a: b\n", 3, 16, .syntax, "quote a value with ': ' in it"),
        BadFile("tasks:\n  a:\n    run: x\n   doc: y\n", 4, 4, .syntax, "indented"),
        BadFile("tasks:\n  a:\n    run uptime\n    doc: y\n", 4, 8, .syntax, "lacks its ':'"),
        BadFile("tasks:\n  a: {run: x}\n  b\n", 3, 3, .syntax, "a key without ':'"),
        BadFile("\(task)---\n\(task)", 4, 1, .syntax, "a second document"),
        BadFile("tasks: {a: {run: \"\\q\"}}\n", 1, 19, .syntax, "not YAML"),
        BadFile("a: &x 1\nb: *x\n", 1, 4, .unsupportedYAML, "an anchor"),
        BadFile("roles: &web\n  a: b\n", 1, 8, .unsupportedYAML, "an anchor"),
        BadFile("roles: {&k a: b}\n", 1, 9, .unsupportedYAML, "an anchor"),
        BadFile("tasks: {a: {<<: {run: x}, run: y}}\n", 1, 13, .unsupportedYAML, "merge keys"),
        BadFile("tasks: {a: {run: !!binary aGk=}}\n", 1, 18, .unsupportedYAML, "tags"),
        BadFile("roles:\n  a: !db x\n", 2, 6, .unsupportedYAML, "quote a value that begins with '!'"),
        BadFile("roles: {a: !db}\n", 1, 12, .syntax, "a value cannot begin with '!'; quote it: \"!db\""),
        BadFile("roles: {a: !e!db x}\n", 1, 12, .syntax, "cannot begin with '!'"),
        BadFile(
            "tasks:\n  a: {run: x}\n  b: {run: y}\n  a: {run: z}\n",
            4,
            3,
            .duplicateKey,
            "'a' stands twice here, first in line 2"
        ),
        BadFile("tasks:\n  a:\n    run: |\n      run: x\n    \"run\": y\n", 5, 5, .duplicateKey, "first in line 3"),
        BadFile("tasks: {a: {run: x, run: y}}\n", 1, 13, .duplicateKey, "'run' stands twice here; leave one"),
        BadFile("roles: {}\nroles: {}\n", 2, 1, .duplicateKey, "'roles'"),
        BadFile("tasks:\n  a:\n    run: \u{7}x\n", 3, 10, .notText, "\\u{7}"),
        BadFile("tasks: {a: {run: x\u{0}}}\n", 1, 19, .notText, "\\u{0}"),
        BadFile("äö: \u{200B}\u{FFFE}\n", 1, 6, .notText, "fffe"),
        BadFile("- a\n- b\n", 1, 1, .wrongType, "the task file wants a mapping"),
        BadFile("uptime\n", 1, 1, .wrongType, "not 'uptime'"),
        BadFile("? [a]\n: b\n", 1, 3, .wrongType, "a key in the task file has to be a name"),
        BadFile("~: b\n", 1, 1, .wrongType, "has to be a name"),
    ]

    @Test(arguments: yaml) func yamlIsRefused(_ file: BadFile) throws { try file.check() }

    static let keys: [BadFile] = [
        BadFile("\(task)task: {}\n", 4, 1, .unknownKey, "unknown key 'task' in the task file; did you mean 'tasks'?"),
        BadFile("rolse: {}\n", 1, 1, .unknownKey, "did you mean 'roles'?"),
        BadFile("Tasks: {}\n", 1, 1, .unknownKey, "did you mean 'tasks'?"),
        BadFile("frobnicate: {}\n", 1, 1, .unknownKey, "the task file takes roles, defaults, hosts, tasks"),
        BadFile("agents: [ssh://jump1]\n", 1, 1, .notSupportedYet, "'agents' is not supported by this version yet"),
        BadFile("vars: {a: b}\n", 1, 1, .notSupportedYet, "'vars' is not supported by this version yet"),
        BadFile("include: x\n", 1, 1, .notSupportedYet, "not supported by this version yet"),
        BadFile("roles:\n  cloud: {command: ./inv}\n", 2, 11, .notSupportedYet, "'command' is not supported by this"),
        BadFile("roles:\n  cloud: {comand: ./inv}\n", 2, 11, .unknownKey, "did you mean 'command'?"),
        BadFile("roles:\n  cloud: {}\n", 2, 10, .missing, "role 'cloud' names no hosts"),
        BadFile("defaults: {usr: x}\n", 1, 12, .unknownKey, "unknown key 'usr' in 'defaults'; did you mean 'user'?"),
        BadFile("defaults: {command_timeout: 5s}\n", 1, 12, .unknownKey, "it is called 'timeout'"),
        BadFile("defaults: {pool-size: 5}\n", 1, 12, .unknownKey, "did you mean 'pool_size'?"),
        BadFile("hosts: {db1: {timeout: 5s}}\n", 1, 15, .unknownKey, "it belongs in 'defaults' or a task"),
        BadFile("hosts: {db1: {prot: 5}}\n", 1, 15, .unknownKey, "did you mean 'port'?"),
        BadFile(
            "tasks:\n  a:\n    run: x\n    pool_sise: 4\n",
            4,
            5,
            .unknownKey,
            "in task 'a'; did you mean 'pool_size'?"
        ),
        BadFile("tasks:\n  a:\n    rnu: x\n", 3, 5, .unknownKey, "did you mean 'run'?"),
        BadFile("tasks:\n  a:\n    parallel: true\n    run: x\n", 3, 5, .unknownKey, "write 'mode: parallel'"),
        BadFile("tasks:\n  a: {run: x, \"r\\tn\": y}\n", 2, 15, .unknownKey, "'r\\u{9}n'"),
        BadFile("tasks:\n  a: {steps: [{rum: x}]}\n", 2, 16, .unknownKey, "in a step of task 'a'; did you mean 'run'?"),
    ]

    @Test(arguments: keys) func keysAreRefused(_ file: BadFile) throws { try file.check() }

    @Test(
        arguments: [
            "args", "batch", "get", "idempotent", "include", "local", "max_failures", "once", "put", "register",
            "retries",
            "retry_delay", "script", "sudo", "vars", "when",
        ]
    )
    func taskKeysOfLaterVersionsAreNamed(_ key: String) throws {
        let file = BadFile(
            "tasks:\n  a:\n    run: x\n    \(key): {a: 1}\n",
            4,
            5,
            .notSupportedYet,
            "'\(key)' is not supported by this version yet"
        )
        try file.check()
    }

    @Test(
        arguments: [
            "put", "get", "sudo", "script", "local", "task", "retries", "retry_delay", "timeout", "register", "when",
            "once",
        ]
    )
    func stepKeysOfLaterVersionsAreNamed(_ key: String) throws {
        let file = BadFile(
            "tasks:\n  a:\n    steps:\n      - \(key): x\n",
            4,
            9,
            .notSupportedYet,
            "'\(key)' is not supported by this version yet"
        )
        try file.check()
    }

    static let values: [BadFile] = [
        BadFile("tasks:\n", 1, 7, .wrongType, "'tasks' has no value"),
        BadFile("tasks: [a, b]\n", 1, 8, .wrongType, "'tasks' wants a mapping ('key: value' lines), not a list"),
        BadFile("tasks: {a: uptime}\n", 1, 12, .wrongType, "task 'a' wants a mapping"),
        BadFile("tasks: {2a: {run: x}}\n", 1, 9, .invalidValue, "'2a' is no name for a task"),
        BadFile("tasks: {\"a b\": {run: x}}\n", 1, 9, .invalidValue, "no name for a task"),
        BadFile("tasks: {\"a:b\": {run: x}}\n", 1, 9, .invalidValue, "no name for a task"),
        BadFile(
            "tasks: {\(String(repeating: "a", count: 101)): {run: x}}\n",
            1,
            9,
            .invalidValue,
            "at most 100 letters"
        ),
        BadFile("tasks: {\"\": {run: x}}\n", 1, 9, .invalidValue, "'' is no name"),
        BadFile("tasks:\n  a:\n    doc: nothing\n", 2, 3, .missing, "task 'a' does nothing; give it 'run: COMMAND'"),
        BadFile("tasks:\n  a: {}\n", 2, 3, .missing, "does nothing"),
        BadFile("tasks:\n  a:\n    run: x\n    steps: [{run: y}]\n", 4, 5, .invalidValue, "has both 'run' and 'steps'"),
        BadFile("tasks: {a: {run: \"\"}}\n", 1, 18, .invalidValue, "'run' of task 'a' is an empty command"),
        BadFile("tasks: {a: {run: \" \\n\\t\"}}\n", 1, 18, .invalidValue, "an empty command"),
        BadFile("tasks: {a: {run: \"a\\0b\"}}\n", 1, 18, .invalidValue, "holds a NUL character"),
        BadFile("tasks:\n  a:\n    run:\n", 3, 9, .wrongType, "'run' of task 'a' has no value"),
        BadFile("tasks: {a: {run: [a, b]}}\n", 1, 18, .wrongType, "wants a text, not a list"),
        BadFile("tasks: {a: {run: {a: b}}}\n", 1, 18, .wrongType, "wants a text, not a mapping"),
        BadFile("tasks: {a: {steps: []}}\n", 1, 20, .missing, "'steps' of task 'a' is an empty list"),
        BadFile("tasks: {a: {steps: uptime}}\n", 1, 20, .wrongType, "a line '- run: COMMAND' for each step"),
        BadFile("tasks: {a: {steps: {run: x}}}\n", 1, 20, .wrongType, "wants a list"),
        BadFile("tasks: {a: {steps: [uptime]}}\n", 1, 21, .wrongType, "write '- run: COMMAND'"),
        BadFile("tasks: {a: {steps: [{}]}}\n", 1, 21, .missing, "a step of task 'a' does nothing"),
        BadFile("tasks: {a: {steps: [{run: x}, {run: ''}]}}\n", 1, 37, .invalidValue, "empty command"),
        BadFile("tasks: {a: {run: x, mode: paralel}}\n", 1, 27, .invalidValue, "did you mean 'parallel'?"),
        BadFile(
            "tasks: {a: {run: x, mode: fast}}\n",
            1,
            27,
            .invalidValue,
            "is 'parallel' or 'sequential', not 'fast'"
        ),
        BadFile("tasks: {a: {run: x, pool_size: 0}}\n", 1, 32, .invalidValue, "is 0, not from 1 to 1000000"),
        BadFile("tasks: {a: {run: x, pool_size: -3}}\n", 1, 32, .invalidValue, "is -3, not from 1"),
        BadFile("tasks: {a: {run: x, pool_size: 99999999999999999999}}\n", 1, 32, .invalidValue, "not from 1"),
        BadFile("tasks: {a: {run: x, pool_size: 2.5}}\n", 1, 32, .wrongType, "wants a number, not '2.5'"),
        BadFile("tasks: {a: {run: x, pool_size: \"5\"}}\n", 1, 32, .wrongType, "digits without quotes"),
        BadFile("tasks: {a: {run: x, pool_size: 0x10}}\n", 1, 32, .wrongType, "wants a number"),
        BadFile("tasks: {a: {run: x, pool_size: 010}}\n", 1, 32, .wrongType, "wants a number"),
        BadFile("tasks: {a: {run: x, pool_size: [5]}}\n", 1, 32, .wrongType, "not a list"),
        BadFile(
            "tasks: {a: {run: x, timeout: 10}}\n",
            1,
            30,
            .invalidValue,
            "'10' has no unit; write '10s' for seconds"
        ),
        BadFile("tasks: {a: {run: x, timeout: soon}}\n", 1, 30, .invalidValue, "'soon' is not a duration"),
        BadFile("tasks: {a: {run: x, timeout: 0s}}\n", 1, 30, .invalidValue, "no time at all"),
        BadFile("tasks: {a: {run: x, env: [A=1]}}\n", 1, 26, .wrongType, "'env' of task 'a' wants a mapping"),
        BadFile("tasks: {a: {run: x, env: {A-B: 1}}}\n", 1, 27, .invalidValue, "'A-B' is no shell variable"),
        BadFile("tasks: {a: {run: x, env: {1A: 1}}}\n", 1, 27, .invalidValue, "no shell variable"),
        BadFile("tasks: {a: {run: x, env: {Ä: 1}}}\n", 1, 27, .invalidValue, "no shell variable"),
        BadFile("tasks: {a: {run: x, env: {COORD_HOST: x}}}\n", 1, 27, .invalidValue, "'COORD_HOST' cannot be set"),
        BadFile("tasks: {a: {run: x, env: {A: }}}\n", 1, 27, .missing, "write \"\" for an empty one"),
        BadFile("tasks: {a: {run: x, env: {A: [1]}}}\n", 1, 30, .wrongType, "'A' wants a text, not a list"),
        BadFile("tasks: {a: {run: x, env: {A: \"b\\0\"}}}\n", 1, 30, .invalidValue, "holds a NUL"),
        BadFile("tasks: {a: {run: x, doc: [y]}}\n", 1, 26, .wrongType, "'doc' of task 'a' wants a text"),
        BadFile("defaults: {port: 0}\n", 1, 18, .invalidValue, "'port' is 0, not from 1 to 65535"),
        BadFile("defaults: {port: 70000}\n", 1, 18, .invalidValue, "'port' is 70000"),
        BadFile("defaults: {port: ssh}\n", 1, 18, .wrongType, "'port' wants a number, not 'ssh'"),
        BadFile("defaults: {user: -oProxyCommand=x}\n", 1, 18, .invalidValue, "is no user name"),
        BadFile("defaults: {user: \"a b\"}\n", 1, 18, .invalidValue, "is no user name"),
        BadFile("defaults: {user: \"\"}\n", 1, 18, .invalidValue, "is no user name"),
        BadFile("defaults: {user: a@b}\n", 1, 18, .invalidValue, "is no user name"),
        BadFile("defaults: {identity: \"\"}\n", 1, 22, .invalidValue, "is no path of a file"),
        BadFile("defaults: {identity: ~other/key}\n", 1, 22, .invalidValue, "home folder of '~other/key' is not known"),
        BadFile("defaults: {known_hosts: \"a\\nb\"}\n", 1, 25, .invalidValue, "is no path"),
        BadFile("defaults: {connect_timeout: 5}\n", 1, 29, .invalidValue, "write '5s' for seconds"),
        BadFile("defaults:\n", 1, 10, .wrongType, "'defaults' has no value"),
    ]

    @Test(arguments: values) func valuesAreRefused(_ file: BadFile) throws { try file.check() }

    static let hosts: [BadFile] = [
        BadFile("roles:\n  web: 'web[3-1]'\n", 2, 13, .invalidPattern, "role 'web': 'web[3-1]'"),
        BadFile("roles:\n  web: web[1-\n", 2, 11, .invalidPattern, "role 'web'"),
        BadFile("roles:\n  web:\n    - web1\n    - -oProxyCommand=x\n", 4, 21, .invalidPattern, "'-oProxyCommand=x'"),
        BadFile("roles:\n  web:\n    - web1\n    - -v\n", 4, 7, .invalidPattern, "'-v'"),
        BadFile("roles:\n  web: |\n    web[\n", 2, 8, .invalidPattern, "role 'web'"),
        BadFile("roles:\n  web: ab,ü\n", 2, 11, .invalidPattern, "'ab,ü'"),
        BadFile("roles:\n  web: [web1, 'a,']\n", 2, 18, .invalidPattern, "role 'web': 'a,'"),
        BadFile("roles:\n  web: ''\n", 2, 8, .invalidPattern, "role 'web'"),
        BadFile("roles:\n  web: []\n", 2, 8, .missing, "role 'web' is an empty list"),
        BadFile("roles:\n  web:\n", 2, 7, .wrongType, "role 'web' has no value"),
        BadFile("roles:\n  web: [[web1]]\n", 2, 9, .wrongType, "role 'web' wants a text, not a list"),
        BadFile("roles:\n  -web: web1\n", 2, 3, .invalidValue, "'-web' is no name for a role"),
        BadFile(
            "roles:\n  all: 'web1,@wbe'\n  web: web1\n",
            2,
            14,
            .undefinedRole,
            "no role 'wbe'; did you mean 'web'?"
        ),
        BadFile("roles:\n  all: '@web2,@web'\n  web2: w\n", 2, 15, .undefinedRole, "did you mean 'web2'?"),
        BadFile("roles:\n  all: ['@web', '@db']\n  web: w\n", 2, 18, .undefinedRole, "there is no role 'db'"),
        BadFile("roles:\n  a: '@a'\n", 2, 6, .roleCycle, "role 'a' leads back to itself: a → a"),
        BadFile("roles:\n  a: '@b'\n  b: [x, '@c']\n  c: '@a'\n", 2, 6, .roleCycle, "a → b → c → a"),
        BadFile(
            "roles:\n  top: '@b'\n  b: '@c'\n  c: '@b'\n",
            3,
            6,
            .roleCycle,
            "role 'b' leads back to itself: b → c → b"
        ),
        BadFile(
            "tasks: {a: {run: x, roles: [web]}}\n",
            1,
            29,
            .undefinedRole,
            "no role 'web'; the task file defines no roles"
        ),
        BadFile("roles: {web: w}\ntasks: {a: {run: x, roles: webb}}\n", 2, 28, .undefinedRole, "did you mean 'web'?"),
        BadFile(
            "roles: {web: w}\ntasks: {a: {run: x, roles: ['@web']}}\n",
            2,
            29,
            .invalidValue,
            "write the name without '@'"
        ),
        BadFile("roles: {web: w}\ntasks: {a: {run: x, roles: 'web1,db'}}\n", 2, 28, .invalidValue, "belong in 'hosts'"),
        BadFile("tasks: {a: {run: x, roles: []}}\n", 1, 28, .missing, "is an empty list"),
        BadFile("tasks: {a: {run: x, hosts: []}}\n", 1, 28, .missing, "is an empty list"),
        BadFile(
            "tasks: {a: {run: x, hosts: {a: b}}}\n",
            1,
            28,
            .wrongType,
            "wants a list of host patterns, not a mapping"
        ),
        BadFile("tasks: {a: {run: x, hosts: 'web1:70000'}}\n", 1, 34, .invalidPattern, "'hosts' of task 'a'"),
        BadFile("tasks: {a: {run: x, hosts: ['w,@db']}}\n", 1, 32, .undefinedRole, "there is no role 'db'"),
        BadFile("hosts: [db1]\n", 1, 8, .wrongType, "'hosts' wants a mapping"),
        BadFile("hosts: {'db[': {port: 1}}\n", 1, 9, .invalidPattern, "'hosts'"),
        BadFile("hosts: {'db[1-3]*': {port: 1}}\n", 1, 9, .invalidPattern, "is no pattern for host names"),
        BadFile("hosts: {'db*,web*': {port: 1}}\n", 1, 9, .invalidPattern, "is no pattern for host names"),
        BadFile("hosts: {'@db': {port: 1}}\n", 1, 9, .undefinedRole, "there is no role 'db'"),
        BadFile("hosts: {'root@db1': {port: 1}}\n", 1, 9, .invalidPattern, "has a user or a port"),
        BadFile("hosts: {'db1:22': {port: 1}}\n", 1, 9, .invalidPattern, "has a user or a port"),
        BadFile("hosts: {'db[1-2000000]': {port: 1}}\n", 1, 9, .invalidPattern, "2000000"),
        BadFile("hosts: {'db1': 22}\n", 1, 16, .wrongType, "host 'db1' wants a mapping"),
    ]

    @Test(arguments: hosts) func hostsAreRefused(_ file: BadFile) throws { try file.check() }

    @Test func allProblemsOfAFileAreReportedInOrder() throws {
        let text = """
            roles: {web: 'web['}
            defaults: {port: 0, usr: x}
            tasks:
              a: {run: '', mode: x}
              b: {sudo: y}
            """
        let file = BadFile(text, 1, 18, .invalidPattern, "role 'web'")
        let error = try file.problem()
        let places = error.problems.map { [$0.line ?? 0, $0.column ?? 0] }
        #expect(places == [[1, 18], [2, 18], [2, 21], [4, 12], [4, 22], [5, 7]])
        #expect(error.description.split(separator: "\n").count == 6)
        #expect(error.problems.allSatisfy { $0.others.isEmpty })
    }

    @Test func moreProblemsThanAPersonMendsAreNotListed() throws {
        let text = "tasks: {" + (1...500).map { "t\($0): {run: ''}" }.joined(separator: ", ") + "}"
        let error = try BadFile(text, 1, 18, .invalidValue, "empty").problem()
        #expect(error.problems.count == CoordfileReader.mostProblems)
    }

    @Test func controlCharactersNeverReachTheMessage() throws {
        let text = "tasks: {\"a\\e[31m\\u202E\": {run: x}}\n"
        let error = try #require(throws: CoordfileError.self) { try Coordfile.parse(text, path: "a\u{1B}b\nc") }
        #expect(error.description.hasPrefix("a\\u{1b}b\\u{a}c:1:9: "))
        #expect(error.description.contains("\\u{1b}[31m\\u{202e}"))
        #expect(!error.description.contains { $0.isNewline || $0 == "\u{1B}" })
    }
}
