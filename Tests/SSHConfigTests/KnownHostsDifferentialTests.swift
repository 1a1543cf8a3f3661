// Random known_hosts files, read here and by `ssh-keygen -F`: the same lines have to be found, with the same
// markers. A failure prints the seed, the name and the file.

import Glibc
import Testing

@testable import SSHConfig

@Suite struct KnownHostsDifferentialTests {
    static let fileCount = 50
    static let lookupsPerFile = 6

    @Test(.enabled(if: access("/usr/bin/ssh-keygen", X_OK) == 0, "ssh-keygen is in Debian's openssh-client"))
    func agreesWithOpenSSH() throws {
        try withTemporaryFolder { (folder: String) throws in
            var found = 0
            for seed in 1...UInt64(Self.fileCount) {
                var random = SplitMix(state: seed)
                let text = try randomFile(&random)
                let path = folder + "/known_hosts"
                try writeFile(path, text)
                var known = KnownHosts()
                try known.load(path: path)
                for _ in 0..<Self.lookupsPerFile {
                    let name = randomName(&random)
                    let ours = lines(known.lookup(name: name))
                    let theirs = try openSSH(name, path)
                    #expect(ours == theirs, "seed \(seed), name \(name), file:\n\(text)")
                    found += theirs.count
                }
            }
            #expect(found > Self.fileCount, "the files hold too little of what is looked for")
        }
    }

    private func lines(_ match: KnownHostsMatch) -> [String] {
        let all =
            match.keys.map { ($0.line, "") } + match.revoked.map { ($0.line, "REVOKED") }
            + match.certificateAuthorities.map { ($0.line, "CA") }
        return all.sorted { $0.0 < $1.0 }.map { "\($0.0) \($0.1)" }
    }

    /// `# Host web1 found: line 3 REVOKED`, one for each line found; with -l ssh-keygen reads the keys too.
    private func openSSH(_ name: String, _ path: String) throws -> [String] {
        guard let pipe = popen("/usr/bin/ssh-keygen -l -F '\(name)' -f '\(path)' 2>/dev/null", "r") else {
            throw TestFailure(what: "popen")
        }
        defer { pclose(pipe) }
        return readAll(pipe).split(separator: "\n").compactMap { line in
            line.firstRange(of: " found: line ").map { String(line[$0.upperBound...]) }
        }
    }
}

// MARK: Random files

private let names = ["web1", "web2", "db1", "db2.example.org", "10.0.0.1", "10.0.0.2", "fe80::1", "a"]
private let patterns = ["*", "web?", "*1", "db*", "*.example.org", "10.0.*", "!web1", "!db*", "w*b*", "?", "!*", ""]
private let ports = [22, 2222, 23]
private let badLines = [
    "", "# comment", "   ", "web1", "@revoked", "@bad web1 K", "@revoked @revoked web1 K", "web1 ssh-ed25519",
    "web1 ssh-ed25519 !!!", "web1 ssh-ed25519 AAAA", "|1|AAAA|AAAA K", "|2|x K", "web1 1024 35 12345", "\t\t",
    "web1 ssh-foo AAAA", "web1 ssh-ed25519 # x",
]

private func randomName(_ random: inout SplitMix) -> String {
    KnownHosts.name(host: random.pick(names), port: random.pick(ports))
}

private func randomFile(_ random: inout SplitMix) throws -> String {
    var text = ""
    for number in 0..<Int.random(in: 0...25, using: &random) {
        text += try randomLine(number, &random)
        text += random.pick(["\n", "\n", "\n", "\r\n"])
    }
    return text
}

private func randomLine(_ number: Int, _ random: inout SplitMix) throws -> String {
    if Int.random(in: 0..<5, using: &random) == 0 {
        return random.pick(badLines).replacing("K", with: Keys.text(number))
    }
    let marker = random.pick(["", "", "", "@revoked ", "@cert-authority "])
    let key = random.pick([Keys.text(number), Keys.text(number), Keys.ecdsa, Keys.rsa])
    let ending = random.pick(["", " comment", "  a b", "\t# c"])
    if Int.random(in: 0..<3, using: &random) == 0 {
        let line = try knownHostsLine(
            host: random.pick(names),
            port: random.pick(ports),
            key: Keys.key(number),
            hashed: true
        )
        return marker + line + ending
    }
    let hosts = (0...Int.random(in: 0...3, using: &random)).map { _ -> String in
        let host = random.pick(random.pick([names, names, patterns]))
        let isPlain = Int.random(in: 0..<3, using: &random) > 0 || host.hasPrefix("!") || host.isEmpty
        let name = isPlain ? host : KnownHosts.name(host: host, port: random.pick(ports))
        return random.pick([name, name, name.uppercased()])
    }
    let space = random.pick([" ", " ", "  ", "\t"])
    return random.pick(["", "", " "]) + marker + hosts.joined(separator: ",") + space + key + ending
}

/// SplitMix64: the same seed gives the same files everywhere.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &self)]
    }
}
