import Glibc
import SSH
import SwiftProtobuf
import WireProtocol

// What a worker holds while it works, and the one place where it waits. The stages are in the extensions, in order:
// +Connection, +HostKey, +Login, +Grant, +Steps, +Ending. Each returns when its stage is done, or throws how the work
// ends. While the agent does not read, reading from the host stops, and that time counts neither against the task's
// timeout nor as the host's silence.

/// One host's work. Not thread-safe.
final class WorkerBody {
    let job: WireWorkerJob
    let link: WorkerLink
    let clock: WorkerClock
    var session: SSHSession?
    /// Opened while the grant is awaited, so that its round trip costs nothing.
    var spareChannel: SSHChannel?
    var newHostKey: SSHPublicKey?
    /// When the task's timeout passes; moved on while the agent does not read.
    var taskDeadline: WorkerInstant?
    /// Room for one read from the host.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: WorkerFrame.outputLimit, alignment: 16)

    private var stage = WireStage.none
    private var stageStart: WorkerInstant
    private var seconds = WireStageSeconds()
    private var aliveSince: WorkerInstant
    private var unansweredKeepalives: UInt32 = 0

    /// For a job without a limit of its own, as ssh(1) users expect it from `-t`.
    private static let defaultConnectTimeoutMilliseconds: UInt64 = 10_000
    /// How long the last frames may wait for an agent that lives but does not read: as long as agents keep results.
    private static let lastFramesMilliseconds: UInt64 = 3_600_000
    /// The longest single wait, so that a poll's timeout fits its type.
    private static let longestWaitMilliseconds: UInt64 = 60_000

    init(job: WireWorkerJob, link: WorkerLink, clock: WorkerClock) {
        self.job = job
        self.link = link
        self.clock = clock
        stageStart = clock.now()
        aliveSince = stageStart
    }

    deinit {
        scratch.deallocate()
    }

    var endpoint: WireEndpoint { job.lease.endpoint }

    /// The host as messages name it: bytes that are not printable ASCII are escaped.
    var host: String { SSHText.line(Array(job.lease.host.utf8)) }

    /// Does everything; the exit status for the process.
    func run() -> Int32 {
        let end = work()
        session?.disconnect()
        session?.close()
        switch end {
        case .finished(let result):
            do {
                link.send(.finished, try result.serializedBytes() as [UInt8])
            } catch {
                preconditionFailure("our own result cannot be encoded: \(error)")
            }
        case .returned(let reason):
            link.send(.returned, Array(reason.utf8.prefix(WorkerFrameKind.returned.payloadLimit)))
        case .turnedAway(let reason):
            link.send(.turnedAway, Array(reason.utf8.prefix(WorkerFrameKind.turnedAway.payloadLimit)))
        case .agentGone:
            return link.isMalformed ? WorkerExit.malformed : WorkerExit.agentGone
        }
        return sendRest() ? WorkerExit.done : WorkerExit.agentGone
    }

    private func work() -> WorkerEnd {
        do throws(WorkerEnd) {
            let timeout = endpoint.connectTimeoutMilliseconds
            let deadline = clock.now().advanced(
                byMilliseconds: timeout > 0 ? timeout : WorkerBody.defaultConnectTimeoutMilliseconds
            )
            let session = try connect(until: deadline)
            self.session = session
            try exchangeKeys(session, until: deadline)
            try checkHostKey(session)
            try logIn(session, until: deadline)
            try awaitGrant(session)
            return .finished(try runSteps(session))
        } catch {
            return error
        }
    }

    private func sendRest() -> Bool {
        let deadline = clock.now().advanced(byMilliseconds: WorkerBody.lastFramesMilliseconds)
        while link.hasUnsent, !link.isClosed, clock.now() < deadline {
            var poller = pollfd(fd: link.fd, events: Int16(POLLOUT), revents: 0)
            poll(&poller, 1, Int32(WorkerBody.longestWaitMilliseconds))
            link.flush()
        }
        return !link.hasUnsent
    }

    // MARK: Stages

    /// Tells the agent, and starts this stage's time.
    func enter(_ next: WireStage) {
        countStage()
        stage = next
        link.send(.stage, [UInt8(truncatingIfNeeded: next.rawValue)])
    }

    private func countStage() {
        let now = clock.now()
        let spent = now.seconds(since: stageStart)
        stageStart = now
        switch stage {
        case .none, .UNRECOGNIZED: break
        case .resolve, .connect: seconds.connect += spent
        case .handshake, .hostKey, .authenticate: seconds.auth += spent
        case .grant: seconds.grant += spent
        case .run: seconds.run += spent
        }
    }

    /// A result that ends in this stage.
    func end(_ outcome: WireOutcome, _ message: String) -> WorkerEnd {
        var result = result(outcome)
        result.stage = stage
        result.message = message
        return .finished(result)
    }

    /// A result with what is known of every end.
    func result(_ outcome: WireOutcome) -> WireResult {
        countStage()
        var result = WireResult()
        result.outcome = outcome
        result.seconds = seconds
        if let newHostKey {
            result.newHostKey.type = newHostKey.type
            result.newHostKey.blob = .init(newHostKey.blob)
        }
        return result
    }

    // MARK: Waiting

    /// Waits for either socket, or until `deadline`, and moves bytes between them and their buffers.
    ///
    /// With `reading` false, or without room for output, nothing is read from the host.
    func wait(
        until deadline: WorkerInstant?,
        socket: Int32,
        events: Int16,
        also agent: SSHAgentClient? = nil
    ) {
        var timeout = WorkerBody.longestWaitMilliseconds
        if let deadline { timeout = min(timeout, clock.now().milliseconds(until: deadline)) }
        if let agent, agent.pollEvents == 0 { timeout = min(timeout, WorkerBody.agentRetryMilliseconds) }
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 3) { pollers in
            pollers[0] = pollfd(fd: link.fd, events: link.pollEvents, revents: 0)
            pollers[1] = pollfd(fd: events == 0 ? -1 : socket, events: events, revents: 0)
            let agentEvents = agent?.pollEvents ?? 0
            pollers[2] = pollfd(fd: agentEvents == 0 ? -1 : agent?.fd ?? -1, events: agentEvents, revents: 0)
            poll(pollers.baseAddress, 3, Int32(timeout))
            if pollers[0].revents != 0 {
                link.flush()
                link.receive()
            }
        }
    }

    private static let agentRetryMilliseconds: UInt64 = 20

    /// Waits as above, with the session's socket.
    func wait(
        for session: SSHSession,
        until deadline: WorkerInstant?,
        reading: Bool = true,
        also agent: SSHAgentClient? = nil
    ) {
        wait(until: deadline, socket: session.fd, events: session.pollEvents(reading: reading), also: agent)
        if session.hasUnsent {
            do throws(SSHError) {
                try session.flush()
            } catch {
                // The session remembers it as its connectionLoss, which whoever waits looks at.
                return
            }
        }
    }

    /// Throws when the agent said stop or is gone; for the stages before the grant.
    func checkBeforeStart() throws(WorkerEnd) {
        if link.isClosed { throw .agentGone }
        switch link.takeOrder() {
        case nil: return
        case .stop: throw end(.cancelled, "cancelled before anything was started on \(host)")
        case .grant: preconditionFailure("the link takes no grant before the claim")
        }
    }

    // MARK: Signs of life

    /// Starts the host's silence anew, after a time in which nothing was read from it.
    func restartSilence() {
        aliveSince = clock.now()
        unansweredKeepalives = 0
    }

    /// When to look at the host's silence next; nil when keepalives are off.
    func silenceDeadline(_ session: SSHSession) -> WorkerInstant? {
        guard endpoint.aliveIntervalSeconds > 0 else { return nil }
        let heard = WorkerInstant(nanoseconds: session.lastReceivedNanoseconds)
        if heard > aliveSince {
            aliveSince = heard
            unansweredKeepalives = 0
        }
        let intervals = UInt64(unansweredKeepalives) + 1
        return aliveSince.advanced(byMilliseconds: UInt64(endpoint.aliveIntervalSeconds) * 1000 * intervals)
    }

    /// Sends a keepalive when one is due. Seconds of silence when the host has left too many unanswered; otherwise nil.
    func checkSilence(_ session: SSHSession) -> Int? {
        guard let deadline = silenceDeadline(session) else { return nil }
        let now = clock.now()
        guard now >= deadline else { return nil }
        guard unansweredKeepalives < endpoint.aliveCountMax else { return Int(now.seconds(since: aliveSince)) }
        unansweredKeepalives += 1
        do throws(SSHError) {
            try session.sendKeepalive()
        } catch {
            // The session remembers it as its connectionLoss.
            return nil
        }
        return nil
    }
}

/// The earlier of two deadlines, where nil is none.
func earlier(_ one: WorkerInstant?, _ other: WorkerInstant?) -> WorkerInstant? {
    guard let one else { return other }
    guard let other else { return one }
    return min(one, other)
}
