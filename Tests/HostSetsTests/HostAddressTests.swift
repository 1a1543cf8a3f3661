import HostSets
import Testing

@Suite struct HostAddressTests {
    struct Good: Sendable {
        let text: String
        var user: String?
        let name: String
        var port: Int?
    }

    @Test(arguments: [
        Good(text: "web01", name: "web01"),
        Good(text: "web01.example.org.", name: "web01.example.org."),
        Good(text: "deploy@web01", user: "deploy", name: "web01"),
        Good(text: "d_e.p-l@web01:2222", user: "d_e.p-l", name: "web01", port: 2222),
        Good(text: "1:65535", name: "1", port: 65535),
        Good(text: "::1", name: "::1"),
        Good(text: "fe80::1%eth0", name: "fe80::1%eth0"),
        Good(text: "root@fe80::1", user: "root", name: "fe80::1"),
        Good(text: "[::1]", name: "::1"),
        Good(text: "[::1]:22", name: "::1", port: 22),
        Good(text: "root@[fe80::1%eth0]:1", user: "root", name: "fe80::1%eth0", port: 1),
        Good(text: "[::ffff:127.0.0.1]:22", name: "::ffff:127.0.0.1", port: 22),
        Good(text: String(repeating: "a", count: 255), name: String(repeating: "a", count: 255)),
    ])
    func reads(_ good: Good) throws {
        let address = try HostAddress(parsing: good.text)
        #expect(address.text == good.text)
        #expect(address.user == good.user)
        #expect(address.name == good.name)
        #expect(address.port == good.port)
    }

    struct Bad: Sendable {
        let text: String
        let code: HostSetError.Code
        let offset: Int
    }

    @Test(arguments: [
        Bad(text: "", code: .invalidName, offset: 0),
        Bad(text: "@", code: .invalidUser, offset: 0),
        Bad(text: "@web", code: .invalidUser, offset: 0),
        Bad(text: "user@", code: .invalidName, offset: 5),
        Bad(text: "a@b@c", code: .invalidCharacter, offset: 3),
        Bad(text: "-oProxyCommand=x", code: .invalidName, offset: 0),
        Bad(text: "-l@web", code: .invalidUser, offset: 0),
        Bad(text: "user@-web", code: .invalidName, offset: 5),
        Bad(text: ".", code: .invalidName, offset: 0),
        Bad(text: "..", code: .invalidName, offset: 0),
        Bad(text: "../etc", code: .invalidCharacter, offset: 2),
        Bad(text: " web", code: .invalidCharacter, offset: 0),
        Bad(text: "we b", code: .invalidCharacter, offset: 2),
        Bad(text: "web\t", code: .invalidCharacter, offset: 3),
        Bad(text: "web\n", code: .invalidCharacter, offset: 3),
        Bad(text: "web\r\n", code: .invalidCharacter, offset: 3),
        Bad(text: "w\0b", code: .invalidCharacter, offset: 1),
        Bad(text: "w\u{1B}[31m", code: .invalidCharacter, offset: 1),
        Bad(text: "a/b", code: .invalidCharacter, offset: 1),
        Bad(text: "a'b", code: .invalidCharacter, offset: 1),
        Bad(text: "a\"b", code: .invalidCharacter, offset: 1),
        Bad(text: "$HOME", code: .invalidCharacter, offset: 0),
        Bad(text: "`id`", code: .invalidCharacter, offset: 0),
        Bad(text: "a;b", code: .invalidCharacter, offset: 1),
        Bad(text: "a*", code: .invalidCharacter, offset: 1),
        Bad(text: "a%b", code: .invalidCharacter, offset: 1),
        Bad(text: "a[1-2]", code: .invalidCharacter, offset: 1),
        Bad(text: "münchen", code: .invalidCharacter, offset: 1),
        Bad(text: "web:", code: .invalidPort, offset: 4),
        Bad(text: "web:0", code: .invalidPort, offset: 4),
        Bad(text: "web:65536", code: .invalidPort, offset: 4),
        Bad(text: "web:70000", code: .invalidPort, offset: 4),
        Bad(text: "web:022", code: .invalidPort, offset: 4),
        Bad(text: "web:+22", code: .invalidPort, offset: 4),
        Bad(text: "web:22x", code: .invalidPort, offset: 4),
        Bad(text: "web:99999999999999999999", code: .invalidPort, offset: 4),
        Bad(text: ":22", code: .invalidName, offset: 0),
        Bad(text: "a:b:c", code: .invalidName, offset: 0),
        Bad(text: "::1:22:x", code: .invalidName, offset: 0),
        Bad(text: "1::2::3", code: .invalidName, offset: 0),
        Bad(text: "::1%", code: .invalidName, offset: 4),
        Bad(text: "::1%a%b", code: .invalidCharacter, offset: 5),
        Bad(text: "::1%a/b", code: .invalidCharacter, offset: 5),
        Bad(text: "[::1", code: .invalidBracket, offset: 0),
        Bad(text: "[]", code: .invalidName, offset: 1),
        Bad(text: "[web]:22", code: .invalidName, offset: 1),
        Bad(text: "[127.0.0.1]:22", code: .invalidName, offset: 1),
        Bad(text: "[::1]22", code: .invalidCharacter, offset: 5),
        Bad(text: "[::1]:", code: .invalidPort, offset: 6),
        Bad(text: "[::1]:0", code: .invalidPort, offset: 6),
        Bad(text: "[::1\0]:22", code: .invalidCharacter, offset: 4),
        Bad(text: String(repeating: "a", count: 256), code: .tooLong, offset: 0),
        Bad(text: String(repeating: "u", count: 256) + "@a", code: .tooLong, offset: 0),
    ])
    func refuses(_ bad: Bad) {
        let error = #expect(throws: HostSetError.self) { try HostAddress(parsing: bad.text) }
        #expect(error?.code == bad.code)
        #expect(error?.offset == bad.offset)
        #expect(error?.text == bad.text)
    }

    @Test func errorsAreOneHarmlessLine() {
        let texts = ["a\nb", "a\u{1B}]0;x\u{07}b", "a\u{202E}b", String(repeating: "é", count: 100_000)]
        for text in texts {
            let error = #expect(throws: HostSetError.self) { try HostAddress(parsing: text) }
            let description = error?.description ?? ""
            #expect(description.utf8.count <= 250)
            #expect(description.unicodeScalars.allSatisfy { (0x20...0x7E).contains($0.value) }, "\(description)")
        }
    }

    @Test func errorsSayWhatAndWhere() {
        let error = #expect(throws: HostSetError.self) { try HostAddress(parsing: "web\u{0}1") }
        #expect(
            error?.description
                == #"host pattern 'web\u{0}1', column 4: '\u{0}' can't be in a host name; "#
                + "only letters, digits, '.', '_' and '-' can"
        )
    }
}
