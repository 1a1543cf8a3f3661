import Glibc
import Testing

@testable import SSHConfig

@Suite struct KnownHostsTests {
    // MARK: Found and not found

    @Test(arguments: [
        ("web1 K", "web1", 22, [1]),
        ("WEB1 K", "web1", 22, [1]),
        ("web1 K", "WeB1", 22, [1]),
        ("web1,web2,10.0.0.1 K", "10.0.0.1", 22, [1]),
        ("  web1\t K  a comment", "web1", 22, [1]),
        ("web1 K\r", "web1", 22, [1]),
        ("# head\n\nweb1 K\nweb1 K", "web1", 22, [3, 4]),
        ("[web1]:2222 K", "web1", 2222, [1]),
        ("[::1]:2222 K", "::1", 2222, [1]),
        ("::1 K", "::1", 22, [1]),
        ("*.example.org,!db* K", "web.example.org", 22, [1]),
        ("w?b1 K\nweb1 K\n* K", "web1", 22, [1, 2, 3]),
        ("[web*]:22?? K", "web1", 2222, [1]),
        ("web1,web1,WEB1 K", "web1", 22, [1]),
        ("\u{FC}ber K", "\u{FC}ber", 22, [1]),
        // Not found.
        ("", "web1", 22, []),
        ("web1 K", "web", 22, []),
        ("web1 K", "web10", 22, []),
        ("#web1 K", "web1", 22, []),
        ("web1 K", "", 22, []),
        ("[web1]:2222 K", "web1", 22, []),
        ("[web1]:2222 K", "web1", 2223, []),
        ("*.example.org,!db* K", "db.example.org", 22, []),
        ("!web1 K", "web2", 22, []),
        ("web1 web2 K", "web2", 22, []),
        ("u\u{308}ber K", "\u{FC}ber", 22, []),
        ("*,!web1 K", "WEB1", 22, []),
    ])
    func keys(text: String, host: String, port: Int, lines: [Int]) {
        var known = KnownHosts()
        known.parse(Array(text.replacing("K", with: Keys.text(7)).utf8), path: "f")
        let match = known.lookup(host: host, port: port)
        #expect(match.keys.map(\.line) == lines)
        #expect(match.keys.allSatisfy { $0.blob == Keys.key(7).blob && $0.type == "ssh-ed25519" && $0.file == "f" })
        #expect(match.revoked.isEmpty && match.certificateAuthorities.isEmpty)
    }

    @Test func keyTypes() {
        var known = KnownHosts()
        known.parse(Array("h \(Keys.ecdsa)\nh \(Keys.rsa)\nh \(Keys.text(1))\n".utf8), path: "f")
        #expect(known.problems.isEmpty)
        #expect(
            known.lookup(host: "h", port: 22).keys.map(\.type) == ["ecdsa-sha2-nistp256", "ssh-rsa", "ssh-ed25519"]
        )
    }

    @Test func markers() {
        let text = """
            @revoked web1 \(Keys.text(1))
            @cert-authority *.example.org,web1 \(Keys.text(2))
            web1 \(Keys.text(3))
            @revoked\t* \(Keys.text(4))
            """
        var known = KnownHosts()
        known.parse(Array(text.utf8), path: "f")
        let match = known.lookup(host: "web1", port: 22)
        #expect(match.revoked.map(\.line) == [1, 4])
        #expect(match.certificateAuthorities.map(\.line) == [2])
        #expect(match.keys.map(\.line) == [3])
        let other = known.lookup(host: "db", port: 22)
        #expect(other.revoked.map(\.line) == [4])
        #expect(other.keys.isEmpty && other.certificateAuthorities.isEmpty && !other.isEmpty)
    }

    @Test func theNameWithoutItsPort() {
        let text = """
            web1 \(Keys.text(1))
            [web1]:2222 \(Keys.text(2))
            @revoked web1 \(Keys.text(3))
            @revoked * \(Keys.text(4))
            """
        var known = KnownHosts()
        known.parse(Array(text.utf8), path: "f")
        let own = known.lookup(host: "web1", port: 2222)
        #expect(own.keys.map(\.line) == [2])
        #expect(own.keysWithoutPort.isEmpty)
        #expect(own.revoked.map(\.line) == [4, 3])
        let fallback = known.lookup(host: "web1", port: 2200)
        #expect(fallback.keys.isEmpty)
        #expect(fallback.keysWithoutPort.map(\.line) == [1])
        #expect(known.lookup(host: "web1", port: 22).keysWithoutPort.isEmpty)
    }

    @Test(arguments: [("web1", 22), ("[::1]", 22), ("10.0.0.1", 2222), ("WEB1", 22)])
    func hashed(host: String, port: Int) throws {
        let bare = host.filter { $0 != "[" && $0 != "]" }
        let line = try knownHostsLine(host: bare, port: port, key: Keys.key(1), hashed: true)
        #expect(line.hasPrefix("|1|"))
        var known = KnownHosts()
        known.parse(Array("other \(Keys.text(2))\n\(line)\n\(bare) \(Keys.text(3))\n".utf8), path: "f")
        #expect(known.problems.isEmpty)
        #expect(known.lookup(host: bare, port: port).keys.map(\.line) == (port == 22 ? [2, 3] : [2]))
        #expect(known.lookup(host: bare + "x", port: port).keys.isEmpty)
        #expect(known.lookup(host: bare, port: 99).keys.isEmpty)
    }

    // MARK: Bad lines

    @Test(arguments: [
        ("web1", "no key follows the host list"),
        ("web1 # comment", "no key follows the host list"),
        ("web1 ssh-ed25519", "no key follows the key type"),
        ("web1 ssh-ed25519 # AAAA", "no key follows the key type"),
        ("web1 ssh-ed25519 !!!!", "the key is not valid base64"),
        ("web1 ssh-ed25519 AAA", "the key is not valid base64"),
        ("web1 ssh-ed25519 AAAA", "the key is not a whole ssh-ed25519 key"),
        ("web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA", "the key is not a whole ssh-ed25519 key"),
        ("web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "the key is not a whole ssh-ed25519 key"),
        ("web1 ssh-ed25519 /////3NzaC1lZDI1NTE5", "the key is not a whole ssh-ed25519 key"),
        ("web1 1024 35 1234567890", "a key of SSH protocol 1"),
        ("web1 ssh-foo AAAA", "unknown key type \"ssh-foo\""),
        ("web1 \u{1B}[31mssh AAAA", "unknown key type \"?[31mssh\""),
        ("@revoked", "nothing follows the marker"),
        ("@revoked web1", "no key follows the host list"),
        ("@trusted web1 K", "unknown marker \"@trusted\""),
        ("@Revoked web1 K", "unknown marker \"@Revoked\""),
        ("@ web1 K", "unknown marker \"@\""),
        ("@revoked @revoked web1 K", "more than one marker"),
        (",,, K", "an empty host list"),
        ("| K", "a hashed host that is not |1|salt|hash"),
        ("|2|AAAA|AAAA K", "a hashed host that is not |1|salt|hash"),
        ("|1|AAAA K", "a hashed host that is not |1|salt|hash"),
        ("|1|AAAA|AAAA K", "a hashed host whose salt or hash is not 20 bytes of base64"),
        ("|1|AAECAwQFBgcICQoLDA0ODxAREhM=| K", "a hashed host whose salt or hash is not 20 bytes of base64"),
        ("|1|*|* K", "a hashed host whose salt or hash is not 20 bytes of base64"),
        ("web1 K \u{0}", "a NUL byte in the line"),
        ("\u{0}", "a NUL byte in the line"),
        (String(repeating: "w", count: 10_240), "a line of 10240 bytes, above 8192"),
        (String(repeating: "w,", count: 5_000) + " K", "a line of 10081 bytes, above 8192"),
        ("*" + String(repeating: "w", count: 1_022) + " K", "a host pattern of 1023 bytes, above 1022"),
    ])
    func badLineHurtsNoOther(line: String, message: String) {
        let key = Keys.text(1)
        var known = KnownHosts()
        known.parse(Array("a \(key)\n\(line.replacing("K", with: key))\nb \(key)".utf8), path: "f")
        #expect(known.problems == [KnownHostsProblem(file: "f", line: 2, message: message)])
        #expect(known.count == 2)
        #expect(known.lookup(host: "a", port: 22).keys.map(\.line) == [1])
        #expect(known.lookup(host: "b", port: 22).keys.map(\.line) == [3])
        #expect(known.lookup(host: "web1", port: 22).isEmpty)
    }

    @Test func problemsAreLimited() {
        var known = KnownHosts()
        known.parse(Array(String(repeating: "x\n", count: KnownHosts.problemLimit + 5).utf8), path: "f")
        #expect(known.problems.count == KnownHosts.problemLimit)
        #expect(known.problems.last?.message.hasSuffix("problems from here on are not listed") == true)
        #expect(known.problems.first?.description == "f:1: no key follows the host list; the line is ignored")
    }

    @Test func severalFilesKeepTheirOrder() {
        var known = KnownHosts()
        known.parse(Array("h* \(Keys.text(1))\n".utf8), path: "first")
        known.parse(Array("\nh \(Keys.text(2))".utf8), path: "second")
        #expect(known.lookup(host: "h", port: 22).keys.map { "\($0.file):\($0.line)" } == ["first:1", "second:2"])
    }

    // MARK: Files

    @Test func files() throws {
        try withTemporaryFolder { (folder: String) throws in
            var known = KnownHosts()
            try known.load(path: folder + "/missing")
            try known.load(path: folder + "/missing/below")
            #expect(known.count == 0)
            #expect(throws: KnownHostsError(.unreadable, path: folder, context: "can't be read", underlying: EISDIR)) {
                try known.load(path: folder)
            }
            let large = folder + "/large"
            #expect(close(creat(large, 0o600)) == 0)
            #expect(truncate(large, KnownHosts.fileLimit + 1) == 0)
            #expect(throws: KnownHostsError(.tooLarge, path: large, context: "is larger than 64 MiB")) {
                try known.load(path: large)
            }
            try writeFile(folder + "/good", "h \(Keys.text(1))")
            try known.load(path: folder + "/good")
            #expect(known.lookup(host: "h", port: 22).keys.map(\.file) == [folder + "/good"])
        }
    }

    @Test func manyLinesAndLookupsAreFast() {
        let count = 100_000
        var bytes: [UInt8] = []
        for number in 0..<count {
            bytes.append(
                contentsOf: "host\(number).example.org,10.\(number >> 16).\(number >> 8 & 255).\(number & 255) ".utf8
            )
            bytes.append(contentsOf: Keys.text(number & 1).utf8)
            bytes.append(ASCII.newline)
        }
        let elapsed = ContinuousClock().measure {
            var known = KnownHosts()
            known.parse(bytes, path: "f")
            #expect(known.count == count)
            for number in stride(from: 0, to: count, by: 10) {
                let match = known.lookup(host: "host\(number).example.org", port: 22)
                #expect(match.keys.map(\.line) == [number + 1])
            }
        }
        #expect(elapsed < .seconds(60), "an unoptimised build on a busy machine takes some seconds")
        print("known_hosts: \(count) lines, \(count / 10) lookups in \(elapsed)")
    }
}
