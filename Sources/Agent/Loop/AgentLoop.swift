// The agent's one event loop: coordinator's messages, the pool's reports, the workers' pipes, and a tick. It decides
// nothing (AgentMachine does) and speaks no SSH (workers do). Output flows on byte credit: each output frame uses it up,
// and a worker's pipe without credit leaves the poller, so memory stays within the pool size times the credit window.
// When the coordinator goes away (the end of standard input), nothing new starts, what runs is ended, and so is this.

import ForkPool
import Glibc
import WireProtocol
import ZeroMQ

/// Runs one agent until its run is closed or its coordinator or pool is gone.
final class AgentLoop {
    private enum Ending: Equatable {
        /// The coordinator closed the run.
        case closed
        /// The coordinator, or the operator's SIGTERM, ended this agent: workers stop first.
        case abandoned
        /// The pool process is gone: no worker can be forked or killed any more.
        case poolGone
    }

    /// Seconds that workers have to end once the agent itself is ending; workers need 5 to end a remote command.
    private static let endingGrace = Duration.seconds(9)
    private static let tick = Duration.milliseconds(500)
    /// The tokens of what is not a worker's pipe in the poller.
    private static let poolToken: UInt64 = 0
    private static let readsAtOnce = 16

    private let pool: ForkPool
    private let link: AgentLink
    private let poller: Epoll
    private let terminationDescriptor: Int32
    private var machine: AgentMachine?
    private var openRun = WireOpenRun()
    private var leases: [AgentMachine.EntryKey: WireHostLease] = [:]
    private var pipes: [WorkerID: WorkerPipe] = [:]
    private var workerOfEntry: [AgentMachine.EntryKey: WorkerID] = [:]
    private var silenceLimit = Duration.seconds(15)
    private var isSilent = false
    /// Another coordinator has taken the run up, and opens it once more.
    private var mayReopen = false
    private var ending: Ending?
    private var endBy: Duration?
    private var lastTick = BootClock.now
    private let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: WorkerPipe.readLimit, alignment: 16)

    /// - Parameters:
    ///   - terminationDescriptor: readable when SIGTERM came.
    /// - Throws: ``ForkPoolError`` of the poller.
    init(pool: ForkPool, link: AgentLink, terminationDescriptor: Int32) throws {
        self.pool = pool
        self.link = link
        self.terminationDescriptor = terminationDescriptor
        poller = try Epoll()
        try poller.add(pool.descriptor, token: Self.poolToken)
    }

    deinit { readBuffer.deallocate() }

    /// - Returns: the process's exit status.
    /// - Throws: ``ZeroMQError`` or ``ForkPoolError`` when the poller itself fails.
    func run() throws -> Int32 {
        while true {
            let isAbandoned = ending != nil
            var members: [ZeroMQPoller.Member] = [.socket(link.socket), .readable(poller.descriptor)]
            if !isAbandoned { members += [.readable(STDIN_FILENO), .readable(terminationDescriptor)] }
            let ready = try ZeroMQPoller.wait(for: members, timeoutMilliseconds: Self.tick.milliseconds)
            if ready[0] { receive() }
            if ready[1] { try readPoolAndPipes() }
            if pool.hasReadAhead { readPool() }
            if !isAbandoned, ready[2] || ready[3] { end(.abandoned) }
            tickIfDue()
            for pipe in pipes.values where pipe.hasUnwritten { pipe.flush() }
            link.flush()
            if let status = try endIfDone() { return status }
        }
    }

    // MARK: The coordinator

    private func receive() {
        while let incoming = link.receive(at: BootClock.now) {
            if isSilent {
                isSilent = false
                decide(.coordinatorHeard)
            }
            guard case .message(let body) = incoming else {
                mayReopen = true
                decide(.coordinatorReplaced)
                let granted = Set(machine?.grantedKeys ?? [])
                leases = leases.filter { granted.contains($0.key) }
                workerOfEntry = workerOfEntry.filter { granted.contains($0.key) }
                continue
            }
            switch body {
            case .openRun(let run): open(run)
            case .lease(let lease): take(lease)
            case .revoke(let revoke): decide(.revoked(revoke.entries.map(\.key)))
            case .grant(let grant): decide(.granted(grant.entries.map(\.key)))
            case .cancel(let cancel): decide(cancel.all ? .cancelledAll : .cancelled(cancel.entries.map(\.key)))
            case .credit(let credit): for host in credit.hosts { give(host) }
            case .closeRun: end(.closed)
            case .hello, .ping: break  // the link answers these
            }
        }
    }

    private func open(_ run: WireOpenRun) {
        var problems: [String] = []
        if machine != nil, !mayReopen { problems.append("a run is open already") }
        if run.poolSize == 0 || run.tasks.isEmpty { problems.append("the run has no task or no pool") }
        mayReopen = false
        if problems.isEmpty {
            openRun = run
        }
        if problems.isEmpty, machine == nil {
            silenceLimit = .milliseconds(Int64(clamping: run.silenceMilliseconds))
            machine = AgentMachine(
                poolSize: Int(run.poolSize),
                grantAge: .milliseconds(Int64(clamping: run.grantAgeMilliseconds))
            )
        }
        let holding = machine?.grantedKeys ?? []
        link.send(
            .runOpened(
                .with {
                    $0.problems = problems
                    $0.holding = holding.map { key in
                        .with {
                            $0.entry = key.entry
                            $0.attempt = key.attempt
                        }
                    }
                }
            )
        )
    }

    private func take(_ lease: WireLease) {
        var taken: [AgentMachine.Lease] = []
        for host in lease.hosts {
            guard Int(host.task) < openRun.tasks.count, leases[host.key] == nil else {
                AgentLog.write("refused a lease of task \(host.task), entry \(host.entry)")
                continue
            }
            let task = openRun.tasks[Int(host.task)]
            leases[host.key] = host
            taken.append(
                AgentMachine.Lease(
                    key: host.key,
                    poolSize: Int(task.poolSize),
                    connectLimit: .milliseconds(Int64(clamping: host.endpoint.connectTimeoutMilliseconds)),
                    taskLimit: task.timeoutMilliseconds == 0
                        ? nil : .milliseconds(Int64(clamping: task.timeoutMilliseconds))
                )
            )
        }
        if ending == nil { decide(.leased(taken)) }
    }

    private func give(_ credit: WireHostCredit) {
        let key = AgentMachine.EntryKey(entry: credit.entry, attempt: credit.attempt)
        guard let worker = workerOfEntry[key], let pipe = pipes[worker] else { return }
        pipe.credit += Int(clamping: min(credit.bytes, UInt64(LinkLimit.frame)))
        watch(pipe)
    }

    // MARK: The pool and its workers

    private func readPoolAndPipes() throws {
        for token in try poller.ready() {
            if token == Self.poolToken {
                readPool()
            } else if let pipe = pipes[WorkerID(rawValue: token)] {
                read(pipe)
            }
        }
    }

    private func readPool() {
        while let report = pool.nextReport() {
            switch report {
            case .started(let worker, let pid): pipes[worker]?.pid = pid
            case .ended(let worker, let processEnd):
                guard let pipe = pipes[worker] else { continue }
                pipe.end = processEnd
                // What it wrote before it ended is still to be read.
                if pipe.isWatched { read(pipe) }
                buryIfDone(pipe)
            case .failed(let worker, let code):
                decide(.spawnFailed(worker, "fork: \(String(cString: strerror(code)))"))
            case .gone:
                AgentLog.write("the pool process is gone; this agent ends")
                link.send(.fault(.with { $0.message = "its pool process is gone" }))
                end(.poolGone)
                return
            }
        }
    }

    private func read(_ pipe: WorkerPipe) {
        // A bounded number of reads: the poller names it again, and no worker keeps the loop from the others.
        var reads = 0
        while pipe.credit > 0, reads < Self.readsAtOnce || pipe.end != nil, pipe.fill(into: readBuffer) {
            reads += 1
            do {
                while let frame = try pipe.nextFrame() { accept(frame, from: pipe) }
            } catch {
                decide(.workerMisbehaved(pipe.worker, "\(error)"))
                unwatch(pipe)
                pipe.close()
            }
        }
        if pipe.isClosed {
            pipe.isWatched = false  // closing has taken it out of the poller
            buryIfDone(pipe)
        } else if pipe.credit <= 0 {
            unwatch(pipe)
        }
    }

    private func accept(_ frame: WorkerFrame, from pipe: WorkerPipe) {
        switch frame.kind {
        case .stage:
            let stage = frame.payload.first.flatMap { WireStage(rawValue: Int($0)) } ?? .none
            decide(.workerEntered(pipe.worker, stage))
        case .claim: decide(.workerClaimed(pipe.worker))
        case .stdout: forward(frame.payload, .stdout, of: pipe)
        case .stderr: forward(frame.payload, .stderr, of: pipe)
        case .finished:
            do {
                let result = try WireResult(serializedBytes: frame.payload)
                switch result.outcome {
                case .ok, .failed, .signalled, .timedOut, .unreachable, .refused, .cancelled, .lost:
                    pipe.result = result
                    decide(.workerFinished(pipe.worker))
                case .unknown, .skipped, .UNRECOGNIZED:
                    decide(.workerMisbehaved(pipe.worker, "its worker's result has no outcome"))
                }
            } catch {
                decide(.workerMisbehaved(pipe.worker, "its worker's result can't be read: \(error)"))
            }
        case .returned:
            decide(.workerReturned(pipe.worker, reason: String(decoding: frame.payload, as: UTF8.self), .setback))
        case .turnedAway:
            decide(.workerReturned(pipe.worker, reason: String(decoding: frame.payload, as: UTF8.self), .busy))
        case .job, .grant, .stop: decide(.workerMisbehaved(pipe.worker, "its worker sent a frame of the agent's"))
        }
    }

    private func forward(_ bytes: [UInt8], _ stream: WireOutputStream, of pipe: WorkerPipe) {
        pipe.credit -= bytes.count
        let output = WireOutput.with {
            $0.entry = pipe.key.entry
            $0.attempt = pipe.key.attempt
            $0.stream = stream
        }
        link.send(.output(output), payload: bytes)
    }

    private func watch(_ pipe: WorkerPipe) {
        guard !pipe.isWatched, !pipe.isClosed, pipe.credit > 0 else { return }
        do {
            try poller.add(pipe.descriptor, token: pipe.worker.rawValue)
            pipe.isWatched = true
            decide(.workerBlocked(pipe.worker, false))
        } catch {
            decide(.workerMisbehaved(pipe.worker, "\(error)"))
        }
    }

    private func unwatch(_ pipe: WorkerPipe) {
        guard pipe.isWatched else { return }
        pipe.isWatched = false
        do {
            try poller.remove(pipe.descriptor)
        } catch {
            AgentLog.write("\(error)")
        }
        decide(.workerBlocked(pipe.worker, true))
    }

    /// A worker is done when it was reaped and everything that it wrote was read.
    private func buryIfDone(_ pipe: WorkerPipe) {
        if let processEnd = pipe.end, pipe.isClosed { decide(.workerGone(pipe.worker, processEnd)) }
    }

    // MARK: Deciding and doing

    private func decide(_ event: AgentMachine.Event) {
        guard machine != nil else { return }
        var effects: [AgentMachine.Effect] = []
        machine?.handle(event, at: BootClock.now, effects: &effects)
        for effect in effects { perform(effect) }
    }

    private func perform(_ effect: AgentMachine.Effect) {
        switch effect {
        case .spawn(let worker, let key): spawn(worker, key)
        case .sendGrant(let worker): pipes[worker]?.send(WorkerFrame(.grant))
        case .sendStop(let worker): pipes[worker]?.send(WorkerFrame(.stop))
        case .kill(let worker): kill(worker)
        case .claim(let key):
            link.send(
                .claim(
                    .with {
                        $0.entry = key.entry
                        $0.attempt = key.attempt
                    }
                )
            )
        case .reportResult(let key, let worker): finish(key, pipes[worker]?.result ?? WireResult())
        case .reportLoss(let key, let loss):
            finish(
                key,
                .with {
                    $0.outcome = loss.outcome
                    $0.stage = loss.stage
                    $0.message = loss.message
                    $0.possiblyRunning = loss.possiblyRunning
                    $0.outputIncomplete = loss.possiblyRunning
                }
            )
        case .returnLease(let key, let reason, let cause):
            leases[key] = nil
            link.send(
                .returned(
                    .with {
                        $0.entry = key.entry
                        $0.attempt = key.attempt
                        $0.reason = reason
                        $0.cause = cause.wire
                    }
                )
            )
        case .release(let worker):
            guard let pipe = pipes.removeValue(forKey: worker) else { return }
            unwatchClosing(pipe)
            // After a change of coordinators the entry may be another worker's by now.
            if workerOfEntry[pipe.key] == worker {
                workerOfEntry[pipe.key] = nil
                leases[pipe.key] = nil
            }
        }
    }

    private func unwatchClosing(_ pipe: WorkerPipe) {
        // Closing takes it out of the poller.
        pipe.isWatched = false
        pipe.close()
    }

    private func finish(_ key: AgentMachine.EntryKey, _ result: WireResult) {
        link.send(
            .finished(
                .with {
                    $0.entry = key.entry
                    $0.attempt = key.attempt
                    $0.result = result
                }
            )
        )
    }

    private func spawn(_ worker: WorkerID, _ key: AgentMachine.EntryKey) {
        guard let lease = leases[key] else { return }
        let task = openRun.tasks[Int(lease.task)]
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else {
            return decide(.spawnFailed(worker, "socketpair: \(String(cString: strerror(errno)))"))
        }
        defer { close(pair[1]) }
        let flags = fcntl(pair[0], F_GETFL)
        _ = fcntl(pair[0], F_SETFL, flags | O_NONBLOCK)
        let pipe = WorkerPipe(
            worker: worker,
            key: key,
            descriptor: pair[0],
            credit: Int(clamping: openRun.creditWindow)
        )
        do {
            let job: [UInt8] = try WireWorkerJob.with {
                $0.runID = link.runID
                $0.task = task
                $0.lease = lease
                $0.grantAgeMilliseconds = openRun.grantAgeMilliseconds
            }.serializedBytes()
            pipes[worker] = pipe
            workerOfEntry[key] = worker
            try pool.spawn(worker, title: ["coord-agent:", lease.host, "[\(task.name)]"], socket: pair[1])
            pipe.send(WorkerFrame(.job, job))
            watch(pipe)
        } catch {
            decide(.spawnFailed(worker, "\(error)"))
        }
    }

    private func kill(_ worker: WorkerID) {
        do {
            try pool.kill(worker)
        } catch {
            AgentLog.write("could not kill a worker: \(error)")
        }
    }

    // MARK: Time and the end

    private func tickIfDue() {
        let now = BootClock.now
        guard now - lastTick >= Self.tick else { return }
        lastTick = now
        if link.isFull, ending == nil {
            AgentLog.write("the coordinator acknowledges nothing; this agent ends")
            end(.abandoned)
        }
        if !isSilent, ending == nil, now - link.lastHeard > silenceLimit {
            isSilent = true
            decide(.coordinatorSilent)
        }
        decide(.tick)
    }

    private func end(_ kind: Ending) {
        guard ending == nil || kind == .poolGone else { return }
        ending = kind
        endBy = BootClock.now + Self.endingGrace
        switch kind {
        case .closed, .abandoned: decide(.cancelledAll)
        case .poolGone:
            // The workers see the end of their sockets and end their remote commands.
            for pipe in pipes.values {
                pipe.isWatched = false
                pipe.close()
            }
        }
    }

    /// The exit status when it is time to go.
    private func endIfDone() throws -> Int32? {
        guard let ending, let endBy else { return nil }
        let isOver = BootClock.now >= endBy
        switch ending {
        case .closed, .abandoned:
            guard isOver || machine?.isIdle ?? true else { return nil }
            pool.close()
            try waitForPool()
            return 0
        case .poolGone:
            var alive: [Int32] = []
            for pid in pipes.values.compactMap(\.pid) {
                if isOver {
                    ForkPool.killOrphan(pid: pid)
                } else if ForkPool.orphanIsAlive(pid: pid) {
                    alive.append(pid)
                }
            }
            return alive.isEmpty ? 1 : nil
        }
    }

    /// The pool process has no work left, so it ends at once; with workers that will not die it takes its grace.
    private func waitForPool() throws {
        let deadline = BootClock.now + .seconds(16)
        while ForkPool.orphanIsAlive(pid: pool.pid) {
            if BootClock.now > deadline { return ForkPool.killOrphan(pid: pool.pid) }
            _ = try poller.ready(timeoutMilliseconds: 5)
        }
    }
}

extension AgentMachine.ReturnCause {
    fileprivate var wire: WireReturnCause {
        switch self {
        case .revoked: .revoked
        case .setback: .setback
        case .busy: .busy
        }
    }
}

extension WireEntryAttempt {
    var key: AgentMachine.EntryKey { AgentMachine.EntryKey(entry: entry, attempt: attempt) }
}

extension WireHostLease {
    var key: AgentMachine.EntryKey { AgentMachine.EntryKey(entry: entry, attempt: attempt) }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var milliseconds: Int {
        Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000)
    }
}
