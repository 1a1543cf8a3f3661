import Glibc
import Testing

@testable import SSHConfig

@Suite struct KnownHostsFileTests {
    // MARK: Lines

    @Test(arguments: [
        ("web1", 22, "web1 K"), ("WEB1", 22, "web1 K"), ("web1", 2222, "[web1]:2222 K"), ("::1", 22, "::1 K"),
        ("fe80::1%eth0", 2222, "[fe80::1%eth0]:2222 K"),
    ])
    func line(host: String, port: Int, expected: String) throws {
        let line = try knownHostsLine(host: host, port: port, key: Keys.key(1))
        #expect(line == expected.replacing("K", with: Keys.text(1)))
    }

    @Test(arguments: [
        "", "a b", "a\tb", "a\nb", "a\u{0}", "a,b", "*", "web?", "!web", "#web", "|1|a|b", "@revoked", "a\r",
        "\u{FC}ber",
        "\u{1B}[31m", "[web1]:2222", String(repeating: "w", count: 301),
    ])
    func unusableName(host: String) {
        for hashed in [false, true] {
            let error = #expect(throws: KnownHostsError.self) {
                try knownHostsLine(host: host, port: 22, key: Keys.key(1), hashed: hashed)
            }
            #expect(error?.code == .unusableName)
            #expect(error?.description.unicodeScalars.allSatisfy { $0.value >= 0x20 } == true)
        }
    }

    // MARK: Appending

    @Test func makesFolderAndFile() throws {
        try withTemporaryFolder { (folder: String) throws in
            let path = folder + "/ssh/known_hosts"
            #expect(try KnownHostsFile.append([entry("web1", 1), entry("web2", 2)], to: path) == 2)
            #expect(try readFile(path) == "web1 \(Keys.text(1))\nweb2 \(Keys.text(2))\n")
            #expect(try mode(folder + "/ssh") == 0o700)
            #expect(try mode(path) == 0o600)
        }
    }

    @Test(arguments: [false, true])
    func writesNoLineTwice(hashed: Bool) throws {
        try withTemporaryFolder { (folder: String) throws in
            let path = folder + "/known_hosts"
            #expect(try KnownHostsFile.append([entry("web1", 1), entry("WEB1", 1)], hashed: hashed, to: path) == 1)
            #expect(try KnownHostsFile.append([entry("web1", 1)], hashed: hashed, to: path) == 0)
            #expect(try KnownHostsFile.append([entry("web1", 2)], hashed: hashed, to: path) == 1)
            #expect(try readFile(path).split(separator: "\n").count == 2)
        }
    }

    @Test func endsAnUnfinishedLineFirst() throws {
        try withTemporaryFolder { (folder: String) throws in
            let path = folder + "/known_hosts"
            try writeFile(path, "web0 \(Keys.text(0))")
            try KnownHostsFile.append([entry("web1", 1)], to: path)
            #expect(try readFile(path) == "web0 \(Keys.text(0))\nweb1 \(Keys.text(1))\n")
        }
    }

    @Test func refusesWithoutTouchingTheFile() throws {
        try withTemporaryFolder { (folder: String) throws in
            let path = folder + "/known_hosts"
            let text = "@revoked * \(Keys.text(9))\n"
            try writeFile(path, text)
            let revoked = #expect(throws: KnownHostsError.self) {
                try KnownHostsFile.append([entry("web1", 1), entry("web2", 9)], to: path)
            }
            #expect(revoked?.code == .revoked)
            let unusable = #expect(throws: KnownHostsError.self) {
                try KnownHostsFile.append([entry("web1", 1), entry("a b", 1)], to: path)
            }
            #expect(unusable?.code == .unusableName)
            let unwritable = #expect(throws: KnownHostsError.self) {
                try KnownHostsFile.append([entry("web1", 1)], to: folder + "/no/such/known_hosts")
            }
            #expect(unwritable?.code == .unwritable)
            #expect(unwritable?.underlying == ENOENT)
            #expect(try readFile(path) == text)
        }
    }

    @Test func aFullDiskIsAnError() {
        let fd = open("/dev/full", O_WRONLY | O_CLOEXEC)
        defer { close(fd) }
        let error = #expect(throws: KnownHostsError.self) {
            try KnownHostsFile.write(Array("web1".utf8), to: fd, path: "f", size: 0)
        }
        #expect(error?.code == .unwritable && error?.underlying == ENOSPC)
    }

    @Test func manyAtOnce() async throws {
        let writers = 8
        let linesEach = 20
        var template = Array("/tmp/coord-ssh-config-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = folder + "/known_hosts"
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<writers {
                group.addTask {
                    var written = 0
                    for number in 0..<linesEach {
                        written += try KnownHostsFile.append([entry("web\(number)", number)], to: path)
                    }
                    return written
                }
            }
            var written = 0
            for try await count in group { written += count }
            #expect(written == linesEach)
        }
        let expected = (0..<linesEach).map { "web\($0) \(Keys.text($0))" }
        #expect(try readFile(path).split(separator: "\n").map(String.init).sorted() == expected.sorted())
        #expect(unlink(path) == 0 && rmdir(folder) == 0)
    }
}

private func entry(_ host: String, _ number: Int) -> NewKnownHost {
    NewKnownHost(host: host, port: 22, key: Keys.key(number))
}

private func mode(_ path: String) throws -> mode_t {
    var status = stat()
    guard stat(path, &status) == 0 else { throw TestFailure(what: "stat \(path)") }
    return status.st_mode & 0o777
}
