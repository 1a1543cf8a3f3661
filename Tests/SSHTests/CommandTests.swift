import Glibc
import Testing

@testable import SSH

/// Commands on a real sshd.
@Suite struct CommandTests {
    @Test(
        arguments: [
            ("exit 1", 1, nil), ("exit 7", 7, nil), ("exit 255", 255, nil), ("true", 0, nil),
            ("nonesuch-command", 127, nil),
            ("kill -9 $$", nil, "KILL"), ("kill -TERM $$", nil, "TERM"), ("kill -SEGV $$", nil, "SEGV"),
            ("exec sh -c 'kill -9 $$'", nil, "KILL"),
        ] as [(String, Int32?, String?)]
    )
    func endsAsItEnded(command: String, status: Int32?, signal: String?) throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let run = try client.run(command)
        #expect(run.status == status)
        #expect(run.signal == signal)
        #expect(!run.isLost)
    }

    @Test func statusesOfManyChannelsAreToldApart() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        for status in 0..<20 {
            #expect(try client.run("exit \(status)").status == Int32(status))
        }
    }

    @Test func killedServerProvesNothingAndKeepsTheOutput() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let run = try client.run(
            "exec sh -c 'echo before; read word; kill -9 $PPID'",
            input: Array("go\n".utf8),
            afterOutput: true
        )
        #expect(run.isLost)
        #expect(run.status == nil)
        #expect(run.signal == nil)
        #expect(run.output[.standardOutput] == Array("before\n".utf8))
        #expect(throws: SSHError.self) { try client.session.openChannel() }
    }

    @Test func streamsAreApartAndBytesExact() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let run = try client.run(#"printf 'a\0\377\303\050b'; printf '\001\200\n' >&2"#)
        #expect(run.output[.standardOutput] == [0x61, 0, 0xff, 0xc3, 0x28, 0x62])
        #expect(run.output[.standardError] == [1, 0x80, 0x0a])
    }

    @Test func standardErrorFloodsWhileStandardOutputIsQuiet() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let run = try client.run("head -c 67108864 /dev/zero >&2", keep: false)
        #expect(run.counts[.standardError] == 64 << 20)
        #expect(run.counts[.standardOutput] == 0)
        #expect(run.status == 0)
    }

    @Test func standardInputArrivesWhileOutputComesBack() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let input = (0..<(512 << 10)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let run = try client.run("cat", input: input)
        #expect(run.output[.standardOutput] == input)
        #expect(run.status == 0)
    }

    @Test func refusedCommandIsAnError() throws {
        let server = try TestServer(options: "MaxSessions 0")
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let error = #expect(throws: SSHError.self) { try client.run("true") }
        #expect(error?.code == .channelRefused)
    }

    @Test func keepaliveIsAnswered() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let channel = try client.until { () throws(SSHError) in try client.session.openChannel() }
        for _ in 0..<3 {
            let before = client.session.lastReceivedNanoseconds
            try client.session.sendKeepalive()
            try client.until { () throws(SSHError) -> SSHProgress<Void> in
                try channel.receive()
                return client.session.lastReceivedNanoseconds > before ? .done(()) : .wouldBlock
            }
        }
    }

    @Test func afterCloseEverythingThrows() throws {
        let server = try TestServer()
        let client = try SSHClient(port: server.port)
        try client.logIn(server)
        let channel = try client.until { () throws(SSHError) in try client.session.openChannel() }
        try client.until { () throws(SSHError) in try channel.exec(Array("sleep 100".utf8)) }
        client.session.close()
        client.session.close()
        #expect(throws: SSHError(.badUse, "ending standard input", "the session is closed")) {
            try channel.sendEndOfFile()
        }
        #expect(throws: SSHError.self) { try client.session.openChannel() }
        #expect(throws: SSHError.self) { try client.session.sendKeepalive() }
        #expect(!channel.isAtEnd)
        #expect(channel.exitSignal == nil)
        #expect(channel.exitStatus == nil)
    }
}
