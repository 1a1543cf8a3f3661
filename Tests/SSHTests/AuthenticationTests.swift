import Glibc
import Testing

@testable import SSH

/// Keys in files and in an ssh-agent.
@Suite struct AuthenticationTests {
    @Test func wrongKeyIsRefusedAndTheNextTaken() throws {
        let server = try TestServer()
        let wrong = try SSHPrivateKeyFile(path: server.folder.makeKey("wrong"))
        let client = try SSHClient(port: server.port)
        try client.until { () throws(SSHError) in try client.session.handshake() }
        #expect(
            try client.until { () throws(SSHError) in try client.session.authenticationMethods(user: server.user) } == [
                "publickey"
            ]
        )
        #expect(
            try client.until { () throws(SSHError) in try client.session.authenticate(user: server.user, keyFile: wrong)
            } == .refused
        )
        #expect(!client.session.isAuthenticated)
        let right = try SSHPrivateKeyFile(path: server.userKey)
        #expect(
            try client.until { () throws(SSHError) in try client.session.authenticate(user: server.user, keyFile: right)
            } == .accepted
        )
        #expect(client.session.isAuthenticated)
    }

    @Test func tooManyKeysEndTheSession() throws {
        let server = try TestServer(options: "MaxAuthTries 1")
        let wrong = try SSHPrivateKeyFile(path: server.folder.makeKey("wrong"))
        let client = try SSHClient(port: server.port)
        try client.until { () throws(SSHError) in try client.session.handshake() }
        let error = #expect(throws: SSHError.self) {
            for _ in 0..<3 {
                _ = try client.until { () throws(SSHError) in
                    try client.session.authenticate(user: server.user, keyFile: wrong)
                }
            }
        }
        #expect(error?.code == .connectionLost)
        #expect(client.session.wasEndedByServer)
        #expect(error?.message.contains("Too many authentication failures") == true, "\(String(describing: error))")
    }

    @Test(arguments: ["ed25519", "ecdsa"])
    func agentSigns(type: String) throws {
        let server = try TestServer()
        let key = try server.folder.makeKey("agent key", type: type)
        _ = try server.folder.write("authorized_keys", readText(key + ".pub"))
        let path = "\(server.folder.path)/agent"
        let pid = try spawn(["/usr/bin/ssh-agent", "-D", "-a", path])
        defer {
            kill(pid, SIGTERM)
            waitpid(pid, nil, 0)
        }
        while access(path, F_OK) != 0 { poll(nil, 0, 5) }
        let other = try server.folder.makeKey("other")
        try run("/usr/bin/env", "SSH_AUTH_SOCK=\(path)", "/usr/bin/ssh-add", "-q", other, key)
        let client = try SSHClient(port: server.port)
        try client.until { () throws(SSHError) in try client.session.handshake() }
        let agent = try SSHAgentClient(path: path)
        let held = try client.until(agent: agent) { () throws(SSHError) in try agent.identities() }
        #expect(held.map(\.comment) == ["other", "agent key"])
        #expect(held.map(\.key) == [other, key].compactMap { SSHPrivateKeyFile.publicKey(besides: $0) })
        let answers = try held.map { identity in
            try client.until(agent: agent) { () throws(SSHError) in
                try client.session.authenticate(user: server.user, identity: identity, agent: agent)
            }
        }
        #expect(answers == [.refused, .accepted])
        #expect(try client.run("exit 3").status == 3)
    }

    @Test func absentAgentIsAnError() throws {
        let agent = try SSHAgentClient(path: "/nonexistent/agent")
        #expect(throws: SSHError.self) { try agent.identities() }
        #expect(throws: SSHError.self) { try SSHAgentClient(path: String(repeating: "x", count: 108)) }
    }

    @Test func encryptedKeySaysSo() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.until { () throws(SSHError) in try client.session.handshake() }
        let path = try server.folder.makeKey("encrypted", passphrase: "secret word")
        let file = try SSHPrivateKeyFile(path: path)
        #expect(file.isEncrypted)
        #expect(file.publicKey == SSHPrivateKeyFile.publicKey(besides: path))
        let error = #expect(throws: SSHError.self) {
            try client.until { () throws(SSHError) in try client.session.authenticate(user: server.user, keyFile: file)
            }
        }
        #expect(error?.code == .encryptedKey)
        #expect(error?.message == "the key is encrypted: add it to the ssh-agent")
    }

    @Test(arguments: [
        ("", "not a private key"),
        ("ssh-ed25519 AAAA comment\n", "not a private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "damaged"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n!!!!\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA/////w==\n-----END OPENSSH PRIVATE KEY-----\n",
            "damaged"
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "not a private key"),
        (String(repeating: "x", count: 70_000), "longer than 64 KiB"),
    ])
    func unusableFilesAreNamed(text: String, message: String) throws {
        let folder = try TestFolder()
        let path = try folder.write("key", text)
        let error = #expect(throws: SSHError.self) { try SSHPrivateKeyFile(path: path) }
        #expect(error?.operation == "reading \(path)")
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n", true),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", true),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n", false),
    ])
    func olderFormatsTellWhetherTheyAreEncrypted(text: String, isEncrypted: Bool) throws {
        let folder = try TestFolder()
        let file = try SSHPrivateKeyFile(path: folder.write("key", text))
        #expect(file.isEncrypted == isEncrypted)
        #expect(file.publicKey == nil)
    }

    @Test func missingFilesAreNamed() {
        let error = #expect(throws: SSHError.self) { try SSHPrivateKeyFile(path: "/nonexistent/key") }
        #expect(error?.message == "No such file or directory")
        #expect(throws: SSHError.self) { try SSHPrivateKeyFile(path: "/tmp") }
    }
}
