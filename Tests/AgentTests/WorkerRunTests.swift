import Glibc
import Synchronization
import Testing
import WireProtocol

@testable import Agent

// A worker on a thread of the test's, spoken to over a socketpair as the agent would.

/// One worker under test; it has ended when the object goes.
final class WorkerRun {
    let fd: Int32
    private var thread = pthread_t()
    private var parser = WorkerFrameParser()
    private(set) var frames: [WorkerFrame] = []
    private let start: Start
    private var isJoined = false

    /// What the thread gets, and leaves behind.
    final class Start: Sendable {
        let fd: Int32
        let exit = Atomic<Int32>(-1)
        /// Nanoseconds that the worker's clock is ahead.
        let ahead = Atomic<UInt64>(0)
        /// The same, for the next look at the clock, which then also sends the grant; 0: no grant is due.
        let aheadWithGrant = Atomic<UInt64>(0)
        let agent: Int32

        init(fd: Int32, agent: Int32) {
            self.fd = fd
            self.agent = agent
        }

        func perform() {
            let clock = WorkerClock { [self] in
                let jump = aheadWithGrant.exchange(0, ordering: .sequentiallyConsistent)
                if jump > 0 {
                    ahead.store(jump, ordering: .sequentiallyConsistent)
                    let grant: [UInt8] = [WorkerFrameKind.grant.rawValue, 0, 0, 0, 0]
                    _ = Glibc.send(agent, grant, grant.count, Int32(MSG_NOSIGNAL))
                }
                var now = WorkerClock.machine.now()
                now.nanoseconds += ahead.load(ordering: .sequentiallyConsistent)
                return now
            }
            exit.store(Worker.perform(on: fd, clock: clock), ordering: .sequentiallyConsistent)
            close(fd)
        }
    }

    init(_ job: WireWorkerJob) throws {
        var pair: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &pair)
        fd = pair[0]
        start = Start(fd: pair[1], agent: pair[0])
        let opaque = Unmanaged.passRetained(start).toOpaque()
        let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
            Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().perform()
            return nil
        }
        pthread_create(&thread, nil, body, opaque)
        send(.job, try job.serializedBytes())
    }

    deinit {
        shutdown(fd, Int32(SHUT_RDWR))
        _ = exitStatus()
        close(fd)
    }

    /// The grant is there when the worker looks at the clock next, and the clock is late then.
    func grantAtNextLookAtTheClock(andMoveItBySeconds seconds: UInt64) {
        start.aheadWithGrant.store(seconds * 1_000_000_000, ordering: .sequentiallyConsistent)
    }

    func send(_ kind: WorkerFrameKind, _ payload: [UInt8] = []) {
        var bytes: [UInt8] = []
        WorkerFrame(kind, payload).encode(into: &bytes)
        sendRaw(bytes)
    }

    func sendRaw(_ bytes: [UInt8]) {
        _ = Glibc.send(fd, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    func closeAgent() {
        shutdown(fd, Int32(SHUT_RDWR))
    }

    /// Waits for the thread's end.
    func exitStatus() -> Int32 {
        if !isJoined { pthread_join(thread, nil) }
        isJoined = true
        return start.exit.load(ordering: .sequentiallyConsistent)
    }

    /// Reads until `condition` holds for a new frame; nil at the end of the stream.
    @discardableResult
    func frame(where condition: (WorkerFrame) -> Bool) throws -> WorkerFrame? {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            while let frame = try parser.next() {
                frames.append(frame)
                if condition(frame) { return frame }
            }
            var poller = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 60_000) == 1 else {
                throw WorkerTestFailure(description: "no frame within 60 s, after \(frames.map(\.kind))")
            }
            let count = recv(fd, &buffer, buffer.count, 0)
            if count <= 0 { return nil }
            parser.append(buffer[..<count])
        }
    }

    func grant() throws {
        guard try frame(where: { $0.kind == .claim }) != nil else {
            let end = try frames.last.map {
                $0.kind == .finished ? try WireResult(serializedBytes: $0.payload).message : ""
            }
            throw WorkerTestFailure(description: "no claim: \(end ?? "nothing")")
        }
        send(.grant)
    }

    /// Reads to the end of the stream; the result in the last frame.
    func result() throws -> WireResult {
        try frame(where: { _ in false })
        guard let last = frames.last, last.kind == .finished else {
            throw WorkerTestFailure(description: "not finished: \(frames.map(\.kind)), exit \(exitStatus())")
        }
        return try WireResult(serializedBytes: last.payload)
    }

    func output(_ kind: WorkerFrameKind) -> [UInt8] {
        frames.filter { $0.kind == kind }.flatMap(\.payload)
    }

    var text: String { String(decoding: output(.stdout), as: UTF8.self) }
    var stages: [UInt8] { frames.filter { $0.kind == .stage }.flatMap(\.payload) }
    var hasClaimed: Bool { frames.contains { $0.kind == .claim } }
}

extension WorkerTestServer {
    /// A job for this server, with its host key known.
    func job(_ scripts: String...) throws -> WireWorkerJob {
        var job = WireWorkerJob()
        job.runID = "test\(port)"
        job.grantAgeMilliseconds = 20_000
        job.task.name = "task"
        job.task.steps = scripts.map { script in .with { $0.run = script } }
        job.lease.entry = 3
        job.lease.attempt = 1
        job.lease.host = "host3"
        job.lease.index = 2
        job.lease.total = 9
        job.lease.endpoint.address = "127.0.0.1"
        job.lease.endpoint.port = UInt32(port)
        job.lease.endpoint.user = user
        job.lease.endpoint.identityFiles = [userKey]
        job.lease.endpoint.identityAgent = "none"
        job.lease.endpoint.connectTimeoutMilliseconds = 20_000
        job.lease.endpoint.knownKeys = [try known("ed25519")]
        return job
    }

    func known(_ name: String, type: String? = nil) throws -> WireHostKey {
        var key = WireHostKey()
        key.type = type ?? (name == "ecdsa" ? "ecdsa-sha2-nistp256" : "ssh-ed25519")
        key.blob = .init(try blob(name))
        key.origin = "known_hosts:7"
        return key
    }

    /// Processes on this machine that carry the marker of the job.
    func processes(of job: WireWorkerJob) throws -> String {
        let path = "\(folder)/found"
        let marker = "COORD_ENTRY=\(job.runID).3.1"
        try WorkerTestServer.run(
            "/bin/sh",
            "-c",
            "grep -lzx '\(marker)' /proc/[0-9]*/environ > '\(path)' 2>/dev/null; :"
        )
        return try WorkerTestServer.read(path)
    }
}
