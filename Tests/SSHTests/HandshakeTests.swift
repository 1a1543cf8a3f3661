import Glibc
import Testing

@testable import SSH

/// Other ends that are no proper SSH server, and servers with other algorithms.
@Suite struct HandshakeTests {
    /// Listens, and says something to each who comes; then it closes, or stays.
    final class Impostor {
        let port: UInt16
        private let fd: Int32

        init(says bytes: [UInt8], thenCloses: Bool) throws {
            (fd, port) = try listenOnFreePort()
            let listener = fd
            let thread = Speech(listener: listener, bytes: bytes, thenCloses: thenCloses)
            var id = pthread_t()
            pthread_create(
                &id,
                nil,
                { Unmanaged<Speech>.fromOpaque($0!).takeRetainedValue().give() },
                Unmanaged.passRetained(thread).toOpaque()
            )
            pthread_detach(id)
        }

        deinit {
            shutdown(fd, Int32(SHUT_RDWR))
            close(fd)
        }
    }

    final class Speech {
        let listener: Int32
        let bytes: [UInt8]
        let thenCloses: Bool

        init(listener: Int32, bytes: [UInt8], thenCloses: Bool) {
            self.listener = listener
            self.bytes = bytes
            self.thenCloses = thenCloses
        }

        func give() -> UnsafeMutableRawPointer? {
            let fd = accept(listener, nil, nil)
            guard fd >= 0 else { return nil }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if count <= 0 { break }
                rest = rest.dropFirst(count)
            }
            if thenCloses {
                shutdown(fd, Int32(SHUT_WR))
            }
            // Until the client goes.
            var buffer = [UInt8](repeating: 0, count: 4096)
            while recv(fd, &buffer, buffer.count, 0) > 0 {}
            close(fd)
            return nil
        }
    }

    struct Row: CustomTestStringConvertible {
        let testDescription: String
        let says: [UInt8]
        let closes: Bool
        let code: SSHErrorCode
        let message: String

        init(_ name: String, _ says: [UInt8], closes: Bool = true, _ code: SSHErrorCode, _ message: String) {
            testDescription = name
            self.says = says
            self.closes = closes
            self.code = code
            self.message = message
        }
    }

    @Test(arguments: [
        Row("closes", [], .connectionLost, "before any SSH banner"),
        Row("too many", Array("Exceeded MaxStartups\r\n".utf8), .connectionLost, "“Exceeded MaxStartups”"),
        Row("http", Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), closes: false, .notSSH, "HTTP/1.1 400 Bad Request"),
        Row("ssh 1.5", Array("SSH-1.5-OpenSSH_1.2\n".utf8), closes: false, .notSSH, "“SSH-1.5-OpenSSH_1.2”"),
        Row("escapes", Array("\u{1b}[31mred\r\n".utf8), .connectionLost, "“\\x1b[31mred”"),
        Row("NUL", [0x41, 0, 0x0a], closes: false, SSHErrorCode(rawValue: -2), ""),
        Row("flood before", [UInt8](repeating: 0x61, count: 1 << 20), closes: false, .flood, "64 KiB"),
        Row(
            "lines before",
            Array(repeating: Array("line\n".utf8), count: 1 << 16).flatMap { $0 },
            closes: false,
            .flood,
            ""
        ),
        Row("cut packet", Array("SSH-2.0-x\r\n".utf8) + [0, 0, 1], .connectionLost, "closed by the server"),
        Row(
            "long packet",
            Array("SSH-2.0-x\r\n".utf8) + [0xff, 0xff, 0xff, 0xff, 4, 20, 0, 0],
            closes: false,
            SSHErrorCode(rawValue: -1),
            ""
        ),
        Row(
            "ignored packets",
            Array("SSH-2.0-x\r\n".utf8)
                + (0..<40_000).flatMap { _ in [0, 0, 0, 12, 4, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0] as [UInt8] },
            closes: false,
            .flood,
            "256 KiB"
        ),
    ])
    func impostorIsNamed(row: Row) throws {
        let impostor = try Impostor(says: row.says, thenCloses: row.closes)
        let client = try SSHClient(port: impostor.port)
        let error = #expect(throws: SSHError.self) {
            try client.until { () throws(SSHError) in try client.session.handshake() }
        }
        #expect(error?.code == row.code, "\(String(describing: error))")
        #expect(error?.message.contains(row.message) == true, "\(String(describing: error))")
        client.session.close()
    }

    @Test func linesBeforeTheBannerAreAllowed() throws {
        let impostor = try Impostor(says: Array("Welcome\r\nSSH-2.0-x\r\n".utf8), thenCloses: true)
        let client = try SSHClient(port: impostor.port)
        let error = #expect(throws: SSHError.self) {
            try client.until { () throws(SSHError) in try client.session.handshake() }
        }
        #expect(error?.message == "closed by the server")
        client.session.close()
    }

    @Test func hostKeyIsTheServers() throws {
        let server = try TestServer(hostKeyTypes: ["ecdsa", "ed25519"])
        for (type, file) in [("ssh-ed25519", "host_ed25519"), ("ecdsa-sha2-nistp256", "host_ecdsa")] {
            let client = try SSHClient(port: server.port)
            #expect(client.session.hostKey == nil)
            try client.session.prefer(.hostKey, [type, "nonesuch"])
            try client.until { () throws(SSHError) in try client.session.handshake() }
            let expected = SSHPrivateKeyFile.publicKey(besides: "\(server.folder.path)/\(file)")
            #expect(client.session.hostKey == expected)
            #expect(client.session.hostKey?.type == type)
            #expect(client.session.serverBanner?.hasPrefix("SSH-2.0-OpenSSH") == true)
        }
    }

    @Test(arguments: [
        (
            "HostKeyAlgorithms ecdsa-sha2-nistp256",
            "host key: server offers ecdsa-sha2-nistp256; this side offers ssh-ed25519"
        ),
        (
            "Ciphers aes256-gcm@openssh.com",
            "cipher to the server: server offers aes256-gcm@openssh.com; this side offers"
        ),
        (
            "KexAlgorithms sntrup761x25519-sha512@openssh.com",
            "key exchange: server offers sntrup761x25519-sha512@openssh.com"
        ),
        ("MACs umac-128@openssh.com", "MAC to the server: server offers umac-128@openssh.com"),
    ])
    func missingAlgorithmIsNamed(option: String, message: String) throws {
        let server = try TestServer(hostKeyTypes: ["ed25519", "ecdsa"], options: option)
        let client = try SSHClient(port: server.port)
        try client.session.prefer(.hostKey, ["ssh-ed25519"])
        let error = #expect(throws: SSHError.self) {
            try client.until { () throws(SSHError) in try client.session.handshake() }
        }
        #expect(error?.code == .noCommonAlgorithm)
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
        #expect(client.session.serverOffer != nil)
    }

    @Test func unknownAlgorithmsCannotBePreferred() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        #expect(throws: SSHError.self) { try client.session.prefer(.hostKey, ["nonesuch"]) }
    }
}
