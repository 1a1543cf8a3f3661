import Testing

@testable import SSHConfig

@Suite struct HostPatternListTests {
    @Test(arguments: [
        ("web1", "web1", true),
        ("*", "", true),
        ("*", "anything", true),
        ("web?", "web1", true),
        ("*.example.org", "a.b.example.org", true),
        ("w*b*1", "wxxbyyb1", true),
        ("*,!db*", "web1", true),
        ("!db*,*", "web1", true),
        ("[127.0.*]:2222", "[127.0.0.9]:2222", true),
        ("web1", "web", false),
        ("web", "web1", false),
        ("web?", "web", false),
        ("web?", "web12", false),
        ("?", "", false),
        ("", "", true),
        ("", "a", false),
        ("*.example.org", "example.org", false),
        ("*,!db*", "db1", false),
        ("!db*,*", "db1", false),
        ("!db1", "web1", false),
        ("!", "web1", false),
        ("[ab]", "a", false),
        ("w*b*1", "wxxbyyb2", false),
    ])
    func matches(list: String, name: String, expected: Bool) {
        let patterns = list.split(separator: ",", omittingEmptySubsequences: false).map { Array($0.utf8) }
        #expect(HostPatternList(patterns).matches(Array(name.utf8)) == expected)
    }

    @Test func manyStarsTakeBoundedTime() {
        let pattern = [UInt8]((0..<500).flatMap { _ in [ASCII.star, UInt8(ascii: "a")] } + [UInt8(ascii: "b")])
        let name = [UInt8](repeating: UInt8(ascii: "a"), count: 1000)
        let elapsed = ContinuousClock().measure {
            #expect(!HostPatternList([pattern]).matches(name))
        }
        #expect(elapsed < .seconds(5))
    }
}
