import HostSets
import Testing

@Suite struct HostExpressionTests {
    /// The roles that the expressions of these tests may refer to.
    private static func role(_ name: String) throws -> [String] {
        switch name {
        case "web": return ["web1", "web2", "web3"]
        case "twice": return ["x", "y", "x"]
        case "none": return []
        case "bad": return ["web1", "-oProxyCommand=x"]
        default: throw UnknownRole(name: name)
        }
    }

    struct UnknownRole: Error, Equatable {
        let name: String
    }

    struct Good: Sendable {
        let text: String
        let hosts: [String]
        var keepDuplicates = false
    }

    @Test(arguments: [
        Good(text: "a", hosts: ["a"]),
        Good(text: "  a\t", hosts: ["a"]),
        Good(text: "b,a,b", hosts: ["b", "a"]),
        Good(text: "b,a,b", hosts: ["b", "a", "b"], keepDuplicates: true),
        Good(text: "a[3,1-2,1]", hosts: ["a3", "a1", "a2"]),
        Good(text: "a[3,1-2,1]", hosts: ["a3", "a1", "a2", "a1"], keepDuplicates: true),
        Good(text: "a[08-12]", hosts: ["a08", "a09", "a10", "a11", "a12"]),
        Good(text: "a[8-12]", hosts: ["a8", "a9", "a10", "a11", "a12"]),
        Good(text: "a1[8-10]", hosts: ["a18", "a19", "a110"]),
        Good(text: "a[0-10/5]0", hosts: ["a00", "a50", "a100"]),
        Good(text: "a[1-6/2]", hosts: ["a1", "a3", "a5"]),
        Good(text: "a[5/1]", hosts: ["a5"]),
        Good(text: "a[ 1 - 3 / 2 , 7 ]", hosts: ["a1", "a3", "a7"]),
        Good(text: "[1-2]", hosts: ["1", "2"]),
        Good(text: "r[1-2]n[01,03].x", hosts: ["r1n01.x", "r1n03.x", "r2n01.x", "r2n03.x"]),
        Good(text: "deploy@web[1-2]:2222", hosts: ["deploy@web1:2222", "deploy@web2:2222"]),
        Good(text: "[::1]:22,[::1]", hosts: ["[::1]:22", "[::1]"]),
        Good(text: "[::1]:[22-23]", hosts: ["[::1]:22", "[::1]:23"]),
        Good(text: "root@[fe80::1%eth0]:22", hosts: ["root@[fe80::1%eth0]:22"]),
        Good(text: "fe80::[1-2]", hosts: ["fe80::1", "fe80::2"]),
        Good(text: "a[1-5] ! a[2-3],b", hosts: ["a1", "a4", "a5", "b"]),
        Good(text: "a[5,4,3]&a[3-4]", hosts: ["a4", "a3"]),
        Good(text: "a[1-3]^a[3-5]", hosts: ["a1", "a2", "a4", "a5"]),
        Good(text: "a,b!b,b", hosts: ["a", "b"]),
        Good(text: "a!a", hosts: []),
        Good(text: "a,b,a,c!a", hosts: ["b", "c"], keepDuplicates: true),
        Good(text: "a,b,a,c&a", hosts: ["a", "a"], keepDuplicates: true),
        Good(text: "a,b,a^b,c,c", hosts: ["a", "a", "c", "c"], keepDuplicates: true),
        Good(text: "a,b&b!b,a", hosts: ["a"]),
        Good(text: "@web", hosts: ["web1", "web2", "web3"]),
        Good(text: "@web ! web2, @none", hosts: ["web1", "web3"]),
        Good(text: "@twice", hosts: ["x", "y"]),
        Good(text: "@twice", hosts: ["x", "y", "x"], keepDuplicates: true),
        Good(text: "web[2-9]&@web", hosts: ["web2", "web3"]),
        Good(text: "n[00000000000000001-00000000000000002]", hosts: ["n00000000000000001", "n00000000000000002"]),
    ])
    func expands(_ good: Good) throws {
        let expression = try HostExpression(parsing: good.text)
        #expect(expression.text == good.text)
        let hosts = try expression.hosts(keepDuplicates: good.keepDuplicates, role: Self.role)
        #expect(hosts == good.hosts)
    }

    struct Bad: Sendable {
        let text: String
        let code: HostSetError.Code
        let offset: Int?
    }

    @Test(arguments: [
        Bad(text: "", code: .empty, offset: nil),
        Bad(text: " \t ", code: .empty, offset: nil),
        Bad(text: ",", code: .missingOperand, offset: 0),
        Bad(text: ",a", code: .missingOperand, offset: 0),
        Bad(text: "a,", code: .missingOperand, offset: 2),
        Bad(text: "a, ", code: .missingOperand, offset: 3),
        Bad(text: "a,,b", code: .missingOperand, offset: 2),
        Bad(text: "a[1-2]!", code: .missingOperand, offset: 7),
        Bad(text: "a & ", code: .missingOperand, offset: 4),
        Bad(text: "^a", code: .missingOperand, offset: 0),
        Bad(text: "a ! , b", code: .missingOperand, offset: 4),
        Bad(text: "a b", code: .missingOperator, offset: 2),
        Bad(text: "a[1-2] b", code: .missingOperator, offset: 7),
        Bad(text: "@web b", code: .missingOperator, offset: 5),
        Bad(text: "a[", code: .invalidBracket, offset: 1),
        Bad(text: "a[1", code: .invalidBracket, offset: 1),
        Bad(text: "a[1-", code: .invalidBracket, offset: 1),
        Bad(text: "a[1-2,", code: .invalidBracket, offset: 1),
        Bad(text: "a[1-2/", code: .invalidBracket, offset: 1),
        Bad(text: "a[1-2/2 ", code: .invalidBracket, offset: 1),
        Bad(text: "[::1", code: .invalidRange, offset: 1),
        Bad(text: "a]", code: .invalidBracket, offset: 1),
        Bad(text: "a[1]]", code: .invalidBracket, offset: 4),
        Bad(text: "a[1][2]", code: .invalidBracket, offset: 4),
        Bad(text: "a[]", code: .invalidRange, offset: 2),
        Bad(text: "a[,]", code: .invalidRange, offset: 2),
        Bad(text: "a[1,]", code: .invalidRange, offset: 4),
        Bad(text: "a[,1]", code: .invalidRange, offset: 2),
        Bad(text: "a[x]", code: .invalidRange, offset: 2),
        Bad(text: "a[1[2]]", code: .invalidRange, offset: 3),
        Bad(text: "a[3-1]", code: .invalidRange, offset: 2),
        Bad(text: "a[1-]", code: .invalidRange, offset: 4),
        Bad(text: "a[-3]", code: .invalidRange, offset: 2),
        Bad(text: "a[-3-5]", code: .invalidRange, offset: 2),
        Bad(text: "a[1--3]", code: .invalidRange, offset: 4),
        Bad(text: "a[1-2-3]", code: .invalidRange, offset: 5),
        Bad(text: "a[1 2]", code: .invalidRange, offset: 4),
        Bad(text: "a[1\n-2]", code: .invalidRange, offset: 3),
        Bad(text: "a[1\0]", code: .invalidRange, offset: 3),
        Bad(text: "a[1-3/0]", code: .invalidRange, offset: 2),
        Bad(text: "a[1-3/]", code: .invalidRange, offset: 6),
        Bad(text: "a[1-3/-1]", code: .invalidRange, offset: 6),
        Bad(text: "a[5/2]", code: .invalidRange, offset: 2),
        Bad(text: "a[01-100]", code: .invalidRange, offset: 2),
        Bad(text: "a[1-03]", code: .invalidRange, offset: 2),
        Bad(text: "a[0-00]", code: .invalidRange, offset: 2),
        Bad(text: "a[1,3-010]", code: .invalidRange, offset: 4),
        Bad(text: "a[1-1000000000000000000]", code: .invalidRange, offset: 4),
        Bad(text: "a[0x10]", code: .invalidRange, offset: 3),
        Bad(text: "a[1:3]", code: .invalidRange, offset: 3),
        Bad(text: "-a[1-2]", code: .invalidName, offset: 0),
        Bad(text: "a,-oProxyCommand", code: .invalidName, offset: 2),
        Bad(text: "a,-x@b", code: .invalidUser, offset: 2),
        Bad(text: "x@", code: .invalidName, offset: 2),
        Bad(text: "x@[1-2]@b", code: .invalidCharacter, offset: 2),
        Bad(text: ".[1-2]", code: .invalidName, offset: 0),
        Bad(text: "a=b", code: .invalidCharacter, offset: 1),
        Bad(text: "a*", code: .invalidCharacter, offset: 1),
        Bad(text: "a,b;c", code: .invalidCharacter, offset: 3),
        Bad(text: "a\0", code: .invalidCharacter, offset: 1),
        Bad(text: "a\nb", code: .invalidCharacter, offset: 1),
        Bad(text: "a\n", code: .invalidCharacter, offset: 1),
        Bad(text: "\na", code: .invalidCharacter, offset: 0),
        Bad(text: "é[1-2]", code: .invalidCharacter, offset: 0),
        Bad(text: "web:0", code: .invalidPort, offset: 4),
        Bad(text: "web[1-2]:70000", code: .invalidPort, offset: 3),
        Bad(text: "[::1]22", code: .invalidCharacter, offset: 5),
        Bad(text: "[::x]:22", code: .invalidName, offset: 1),
        Bad(text: "@", code: .invalidRole, offset: 1),
        Bad(text: "@,a", code: .invalidRole, offset: 1),
        Bad(text: "@-x", code: .invalidRole, offset: 1),
        Bad(text: "@web[1-2]", code: .invalidRole, offset: 4),
        Bad(text: "@a@b", code: .invalidRole, offset: 2),
        Bad(text: "a!@a/b", code: .invalidRole, offset: 4),
        Bad(text: String(repeating: "[1]a", count: 101), code: .tooLong, offset: 400),
        Bad(text: String(repeating: "a", count: 256), code: .tooLong, offset: 0),
        Bad(text: String(repeating: "a,", count: 600_000), code: .tooLong, offset: nil),
    ])
    func refusesText(_ bad: Bad) {
        let error = #expect(throws: HostSetError.self) { try HostExpression(parsing: bad.text) }
        #expect(error?.code == bad.code, "\(String(describing: error))")
        #expect(error?.offset == bad.offset, "\(String(describing: error))")
        #expect((error?.description.utf8.count ?? .max) <= 250)
    }

    /// These are well-formed; only what they stand for is wrong.
    @Test(arguments: [
        Bad(text: "a[1-1000000000]", code: .tooManyHosts, offset: 0),
        Bad(text: "b,a[0-1000000]", code: .tooManyHosts, offset: 2),
        Bad(text: "a[1-1000000]b[1-1000000]", code: .tooManyHosts, offset: 0),
        Bad(text: "a[1-90000000000000000]b[1-90000000000000000]", code: .tooManyHosts, offset: 0),
        Bad(text: "a[1-2147483648]", code: .tooManyHosts, offset: 0),
        Bad(text: "x!" + String(repeating: "[1-9]a", count: 42), code: .tooManyHosts, offset: 2),
        Bad(text: "a[1-1000000],b1", code: .tooManyHosts, offset: 13),
        Bad(text: "a!b[1-1000000]!c[1-1000000]!d[1-1000000]!e[1-1000000]", code: .tooManyHosts, offset: 41),
        Bad(text: "web:[65535-65536]", code: .invalidPort, offset: 0),
        Bad(text: "a," + String(repeating: "b", count: 254) + "[9-10]", code: .tooLong, offset: 2),
        Bad(text: "@bad", code: .invalidName, offset: 0),
    ])
    func refusesHosts(_ bad: Bad) throws {
        let expression = try HostExpression(parsing: bad.text)
        let error = #expect(throws: HostSetError.self) { try expression.hosts(role: Self.role) }
        #expect(error?.code == bad.code, "\(String(describing: error))")
        #expect(error?.offset == bad.offset, "\(String(describing: error))")
    }

    @Test func limitsAreExact() throws {
        let expression = try HostExpression(parsing: "a[1-9],@web!a[1-9]")
        #expect(try expression.hosts(limit: 12, role: Self.role).count == 3)
        let error = #expect(throws: HostSetError.self) { try expression.hosts(limit: 11, role: Self.role) }
        #expect(error?.message == "it stands for 12 hosts; the limit is 11; name fewer")
        #expect(throws: HostSetError.self) { try HostExpression(parsing: "@web").hosts(limit: 2, role: Self.role) }
        #expect(try HostExpression(parsing: "a").hosts(limit: .max, role: Self.role) == ["a"])
        #expect(throws: HostSetError.self) { try HostExpression(parsing: "a").hosts(limit: 0, role: Self.role) }
    }

    @Test func tooManyHostsSaysHowMany() throws {
        let expression = try HostExpression(parsing: "a[1-1000000000]")
        let error = #expect(throws: HostSetError.self) { try expression.hosts(role: Self.role) }
        #expect(
            error?.description == "host pattern 'a[1-1000000000]', column 1: "
                + "it stands for 1000000000 hosts; the limit is 1000000; name fewer"
        )
    }

    @Test func rolesAreListedOnceInOrder() throws {
        let expression = try HostExpression(parsing: "@web,a[1-2]!@none & @web ^ @x.y-z_1")
        #expect(expression.referencedRoles == ["web", "none", "x.y-z_1"])
        #expect(try HostExpression(parsing: "user@web").referencedRoles.isEmpty)
    }

    @Test func errorsOfRolesPassThrough() throws {
        let expression = try HostExpression(parsing: "a,@nowhere")
        #expect(throws: UnknownRole(name: "nowhere")) { try expression.hosts(role: Self.role) }
    }

    @Test func hostsOfRolesAreChecked() throws {
        let expression = try HostExpression(parsing: "a,@bad")
        let error = #expect(throws: HostSetError.self) { try expression.hosts(role: Self.role) }
        #expect(
            error?.description
                == "role bad: host pattern '-oProxyCommand=x', column 1: a host name can't begin with '-'"
        )
    }

    /// Each of the half million terms must not cost a look at a million hosts.
    @Test(.timeLimit(.minutes(1)), arguments: ["!b", "^b", "&a"]) func longChainsTakeBoundedTime(term: String) throws {
        let text = "a,a[1-100000]" + String(repeating: term, count: 500_000)
        let hosts = try HostExpression(parsing: text).hosts(role: Self.role)
        #expect(hosts.first == "a")
        #expect(hosts.count == (term == "&a" ? 1 : 100_001))
    }

    @Test func longPatternsAreCutAroundTheFault() {
        let text = String(repeating: "a,", count: 5_000) + "b;c" + String(repeating: ",d", count: 5_000)
        let error = #expect(throws: HostSetError.self) { try HostExpression(parsing: text) }
        let description = error?.description ?? ""
        #expect(description.contains("b;c"))
        #expect(description.contains("column 10002"))
        #expect(description.utf8.count <= 200)
    }
}
