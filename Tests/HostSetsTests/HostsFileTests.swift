import HostSets
import Testing

@Suite struct HostsFileTests {
    @Test func readsLinesWithTheirNumbers() throws {
        let text = """
            # the web servers
            web[1-2]   # both

              db1\t# behind a tab
            #db2
            deploy@web3:2222 , [::1]:22
            \t
            @web ! web1
            """
        let entries = try parseHostsFile(text, named: "hosts.txt")
        #expect(entries.map(\.line) == [2, 4, 6, 8])
        #expect(entries.map(\.location) == ["hosts.txt:2", "hosts.txt:4", "hosts.txt:6", "hosts.txt:8"])
        #expect(entries[3].expression.referencedRoles == ["web"])
        let hosts = try entries[..<3].flatMap { try $0.expression.hosts(role: NodeSet.refuseRole) }
        #expect(hosts == ["web1", "web2", "db1", "deploy@web3:2222", "[::1]:22"])
    }

    @Test(arguments: ["", "\n", "\r\n", "#", "  # x", "\n\n#\n"])
    func emptyFilesNameNothing(_ text: String) throws {
        #expect(try parseHostsFile(text, named: "-").isEmpty)
    }

    @Test func acceptsLineEndsOfBothKinds() throws {
        let entries = try parseHostsFile("a\r\nb\nc\r\n", named: "-")
        #expect(entries.map(\.expression.text) == ["a", "b", "c"])
    }

    @Test(arguments: [
        ("a\n\nb c\n", "f:3: host pattern 'b c', column 3: a host has no spaces; put ',' between two hosts"),
        ("a#b", "f:1: host pattern 'a#b', column 2: '#' can't be in a host pattern"),
        ("a\nb\0", #"f:2: host pattern 'b\u{0}', column 2: '\u{0}' can't be in a host pattern"#),
        ("a\rb", #"f:1: host pattern 'a\u{D}b', column 2: '\u{D}' can't be in a host pattern"#),
        ("a[1-2", "f:1: host pattern 'a[1-2', column 2: '[' is not closed; add ']'"),
        ("#\n-x", "f:2: host pattern '-x', column 1: a host name can't begin with '-'"),
        ("a,\nb", "f:1: host pattern 'a,', column 3: a host is missing beside an operator (one of , ! & ^)"),
        ("\u{FEFF}a", #"f:1: host pattern '\u{FEFF}a', column 1: '\u{FEFF}' can't be in a host pattern"#),
    ])
    func errorsNameFileAndLine(_ text: String, _ description: String) {
        let error = #expect(throws: HostSetError.self) { try parseHostsFile(text, named: "f") }
        #expect(error?.description == description)
    }

    @Test func errorsOfExpansionCanBeLocatedToo() throws {
        let entry = try #require(try parseHostsFile("\na:[1-65536]", named: "f").first)
        let error = #expect(throws: HostSetError.self) { try entry.expression.hosts(role: NodeSet.refuseRole) }
        #expect(error?.located(at: entry.location).description.hasPrefix("f:2: host pattern 'a:[1-65536]'") == true)
    }
}
