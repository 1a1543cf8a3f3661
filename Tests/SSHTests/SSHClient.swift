import Glibc

@testable import SSH

// The loop that a caller of the room writes: call, poll, call again; never longer than the limit.

/// A session in a loop of its own.
final class SSHClient {
    let session: SSHSession

    private static let limitMilliseconds = 120_000

    init(port: UInt16) throws {
        guard let fd = connectTo(port) else { throw TestFailure(description: "nothing listens on \(port)") }
        _ = fcntl(fd, F_SETFL, O_NONBLOCK)
        session = try SSHSession(adopting: fd)
    }

    func until<Value>(
        agent: SSHAgentClient? = nil,
        _ call: () throws(SSHError) -> SSHProgress<Value>
    ) throws -> Value {
        var start = timespec()
        clock_gettime(CLOCK_MONOTONIC, &start)
        while true {
            if case .done(let value) = try call() { return value }
            var pollers = [
                pollfd(fd: session.fd, events: session.pollEvents(), revents: 0),
                pollfd(fd: agent?.fd ?? -1, events: agent?.pollEvents ?? 0, revents: 0),
            ]
            poll(&pollers, 2, agent?.pollEvents == 0 ? 20 : 1000)
            try session.flush()
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            guard (now.tv_sec - start.tv_sec) * 1000 < SSHClient.limitMilliseconds else {
                throw TestFailure(description: "nothing within \(SSHClient.limitMilliseconds) ms")
            }
        }
    }

    func logIn(_ server: TestServer) throws {
        try until { () throws(SSHError) in try session.handshake() }
        let file = try SSHPrivateKeyFile(path: server.userKey)
        let answer = try until { () throws(SSHError) in try session.authenticate(user: server.user, keyFile: file) }
        guard answer == .accepted else { throw TestFailure(description: "not logged in: \(server.log)") }
    }

    /// What a command did, as far as it was seen.
    struct Run {
        var output: [SSHChannel.Stream: [UInt8]] = [.standardOutput: [], .standardError: []]
        var counts: [SSHChannel.Stream: Int] = [.standardOutput: 0, .standardError: 0]
        var status: Int32?
        var signal: String?
        var isLost = false
    }

    /// Runs a command to the end of its streams and the server's close, or of the connection; the input goes at once
    /// or once there was output.
    func run(
        _ command: String,
        input: [UInt8] = [],
        afterOutput: Bool = false,
        keep: Bool = true
    ) throws -> Run {
        let channel = try until { () throws(SSHError) in try session.openChannel() }
        try until { () throws(SSHError) in try channel.exec(Array(command.utf8)) }
        var run = Run()
        var rest = input[...]
        var isInputEnded = false
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 16)
        defer { buffer.deallocate() }
        try until { () throws(SSHError) -> SSHProgress<Void> in
            let mayWrite = !afterOutput || run.counts[.standardOutput] != 0
            if mayWrite, !rest.isEmpty, case .done(let count) = try channel.write(rest) { rest = rest.dropFirst(count) }
            if rest.isEmpty, !isInputEnded, case .done = try channel.sendEndOfFile() { isInputEnded = true }
            var moved = true
            while moved {
                let received = session.receivedByteCount
                var count = 0
                for stream in SSHChannel.Stream.allCases {
                    guard case .done(let got) = try channel.read(stream, into: buffer) else { continue }
                    count += got
                    run.counts[stream]! += got
                    if keep { run.output[stream]! += buffer[..<got] }
                }
                moved = count > 0 || session.receivedByteCount != received
            }
            run.isLost = session.connectionLoss != nil
            return channel.isClosedByServer || run.isLost ? .done(()) : .wouldBlock
        }
        run.status = channel.exitStatus
        run.signal = channel.exitSignal
        return run
    }
}
