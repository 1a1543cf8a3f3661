import Scheduling
import WireProtocol

@testable import Agent
@testable import ForkPool

/// One worker process and the host that it serves.
struct SimulatedWorker {
    enum Step: Equatable {
        /// The host has let it in, or not.
        case connected
        /// It asks for its grant.
        case claims
        /// No grant came in time.
        case grantAge
        /// The task has ended on the host by itself.
        case taskEnded
        /// The worker says how it ended, and exits.
        case reports(Outcome)
        case returns(AgentMachine.ReturnCause)
        case exits(ProcessEnd)

        /// Happens whether or not the agent's process runs.
        var isOnHost: Bool {
            switch self {
            case .connected, .grantAge, .taskEnded: true
            case .claims, .reports, .returns, .exits: false
            }
        }
    }

    let key: AgentMachine.EntryKey
    var isConnecting = true
    var claimedAt: Int64?
    var isStarted = false
    /// Nothing more comes of it but its exit.
    var isOver = false
}

/// An agent process in a world: what AgentLoop, AgentLink and the pool are in earnest.
final class SimulatedAgent {
    let index: Int
    let incarnation: UInt64
    var isAlive: Bool
    var isStopped = false
    /// What came while it was stopped.
    var held: [World.Happening] = []
    var machine: AgentMachine?
    var workers: [WorkerID: SimulatedWorker] = [:]

    private var outbox = LinkOutbox<World.FromAgent>()
    private var inbox = LinkInbox()
    private var epoch: UInt64 = 0
    private var call: UInt64 = 0
    private var mayReopen = false
    private var lastHeard: Int64 = 0
    private var isSilent = false

    /// A machine without a process.
    init(index: Int) {
        self.index = index
        incarnation = 0
        isAlive = false
    }

    init(index: Int, incarnation: UInt64) {
        self.index = index
        self.incarnation = incarnation
        isAlive = true
    }

    func continueAgain(_ world: World) throws {
        guard isAlive, isStopped else { return }
        world.note("agent \(index) goes on")
        isStopped = false
        let waiting = held
        held = []
        for happening in waiting { try world.redeliver(happening) }
    }

    func tick(_ world: World) throws {
        world.after(world.scenario.tick, .tick(agent: index, incarnation: incarnation))
        if machine != nil, !isSilent, Double(world.now - lastHeard) / 1e9 > World.silence {
            isSilent = true
            try decide(.coordinatorSilent, world)
        }
        try decide(.tick, world)
    }

    // MARK: Link

    func receive(_ packet: World.Packet, _ world: World) throws {
        if case .hello(let received) = packet.body { return try greet(packet, received, world) }
        guard packet.epoch == epoch, packet.call == call, packet.incarnation == incarnation else { return }
        lastHeard = world.now
        outbox.acknowledge(upTo: packet.acknowledged)
        if isSilent {
            isSilent = false
            try decide(.coordinatorHeard, world)
        }
        switch packet.body {
        case .ping(let token): transmit(.pong(token: token, sent: outbox.lastSent), world)
        case .toAgent(let number, let message):
            if inbox.accept(number) == .deliver { try take(message, world) }
        case .hello, .helloReply, .pong, .fromAgent: break
        }
        flush(world)
    }

    private func greet(_ packet: World.Packet, _ received: UInt64, _ world: World) throws {
        guard packet.incarnation == 0 || packet.incarnation == incarnation else { return }
        let isFirst = epoch == 0
        guard isFirst || (packet.epoch, packet.call) >= (epoch, call) else { return }
        let isReplaced = !isFirst && (packet.epoch, packet.call) > (epoch, call)
        (epoch, call, lastHeard) = (packet.epoch, packet.call, world.now)
        if isReplaced {
            outbox.renumber()
            inbox = LinkInbox()
            mayReopen = true
            try decide(.coordinatorReplaced, world)
        } else {
            outbox.rewind(peerHas: received)
        }
        transmit(.helloReply(received: inbox.received), world)
        flush(world)
    }

    private func take(_ message: World.ToAgent, _ world: World) throws {
        switch message {
        case .openRun:
            if machine == nil {
                machine = AgentMachine(
                    poolSize: world.scenario.agents[index].slots,
                    grantAge: .seconds(World.grantAge)
                )
            }
            mayReopen = false
            outbox.append(.opened(holding: machine?.grantedKeys ?? []))
        case .lease(let leases): try decide(.leased(leases.map { machineLease($0, world) }), world)
        case .revoke(let leases): try decide(.revoked(leases.map(\.key)), world)
        case .grant(let leases): try decide(.granted(leases.map(\.key)), world)
        case .cancel(let leases): try decide(.cancelled(leases.map(\.key)), world)
        case .closeRun: try decide(.cancelledAll, world)
        }
    }

    private func machineLease(_ lease: Lease, _ world: World) -> AgentMachine.Lease {
        let phase = world.plan.phases.first { $0.entries.contains(lease.entry.index) }
        return AgentMachine.Lease(
            key: lease.key,
            poolSize: phase?.poolSize ?? 1,
            connectLimit: .seconds(10),
            taskLimit: world.scenario.taskLimit.map { .seconds($0) }
        )
    }

    private func flush(_ world: World) {
        while epoch != 0, let (number, message) = outbox.nextUnsent {
            transmit(.fromAgent(number, message), world)
            outbox.markSent()
        }
    }

    private func transmit(_ body: World.Body, _ world: World) {
        world.send(
            World.Packet(
                agent: index,
                isToAgent: false,
                epoch: epoch,
                call: call,
                incarnation: incarnation,
                acknowledged: inbox.received,
                body: body
            )
        )
    }

    // MARK: Machine

    private func decide(_ event: AgentMachine.Event, _ world: World) throws {
        guard machine != nil else { return }
        var effects: [AgentMachine.Effect] = []
        machine?.handle(event, at: world.sinceBoot, effects: &effects)
        for effect in effects { try perform(effect, world) }
        flush(world)
    }

    private func perform(_ effect: AgentMachine.Effect, _ world: World) throws {
        world.note("agent \(index)/\(incarnation): \(effect)")
        switch effect {
        case .spawn(let worker, let key): spawn(worker, key, world)
        case .sendGrant(let worker): try start(worker, world)
        case .sendStop(let worker): stop(worker, world)
        case .kill(let worker):
            guard workers[worker] != nil else { return }
            end(worker, world)
            after(0.01, worker, .exits(.signalled(9)), world)
        case .claim(let key): outbox.append(.claim(key))
        case .reportResult(let key, _): if let outcome = world.truth[key] { outbox.append(.finished(key, outcome)) }
        case .reportLoss(let key, let loss): outbox.append(.finished(key, loss.outcome.simulated))
        case .returnLease(let key, _, let cause): outbox.append(.returned(key, cause))
        case .release(let worker): workers[worker] = nil
        }
    }

    private func after(_ seconds: Double, _ worker: WorkerID, _ step: SimulatedWorker.Step, _ world: World) {
        world.after(seconds, .worker(agent: index, incarnation: incarnation, worker, step))
    }

    // MARK: Workers and their hosts

    private func spawn(_ worker: WorkerID, _ key: AgentMachine.EntryKey, _ world: World) {
        workers[worker] = SimulatedWorker(key: key)
        world.connectingCount += 1
        switch world.scenario.hosts[Int(key.entry)] {
        case .ends(_, let connect, _), .neverStarts(_, let connect): after(connect, worker, .connected, world)
        case .busy, .workerDies(connects: true), .hangs(connects: true): after(0.05, worker, .connected, world)
        case .workerDies(connects: false):
            let isFirst = world.workerDeaths[Int(key.entry)] == 0
            world.workerDeaths[Int(key.entry)] += 1
            if isFirst {
                end(worker, world)
                after(0.02, worker, .exits(.signalled(11)), world)
            } else {
                after(0.05, worker, .connected, world)
            }
        case .hangs(connects: false): break
        }
    }

    /// A worker's host says nothing any more, and its worker nothing but its end.
    private func end(_ worker: WorkerID, _ world: World) {
        if workers[worker]?.isConnecting ?? false { world.connectingCount -= 1 }
        workers[worker]?.isConnecting = false
        workers[worker]?.isOver = true
    }

    private func finish(_ worker: WorkerID, _ outcome: Outcome, after seconds: Double, _ world: World) {
        guard let key = workers[worker]?.key else { return }
        end(worker, world)
        world.truth[key] = outcome
        after(seconds, worker, .reports(outcome), world)
    }

    func advance(_ worker: WorkerID, _ step: SimulatedWorker.Step, _ world: World) throws {
        guard let state = workers[worker] else { return }
        switch step {
        case .reports:
            try decide(.workerFinished(worker), world)
            after(0.001, worker, .exits(.exited(0)), world)
        case .returns(let cause):
            try decide(.workerReturned(worker, reason: "simulated", cause), world)
            after(0.001, worker, .exits(.exited(0)), world)
        case .exits(let end): try decide(.workerGone(worker, end), world)
        case .claims: try decide(.workerClaimed(worker), world)
        case .connected: if !state.isOver { connect(worker, state.key, world) }
        case .grantAge:
            guard !state.isOver, !state.isStarted else { return }
            end(worker, world)
            after(0.001, worker, .returns(.setback), world)
        case .taskEnded:
            guard !state.isOver else { return }
            switch world.scenario.hosts[Int(state.key.entry)] {
            case .ends(let outcome, _, _): finish(worker, outcome, after: 0.001, world)
            case .workerDies(connects: true) where world.workerDeaths[Int(state.key.entry)] == 0:
                world.workerDeaths[Int(state.key.entry)] += 1
                end(worker, world)
                after(0.01, worker, .exits(.signalled(9)), world)
            case .neverStarts, .busy, .hangs, .workerDies: finish(worker, .ok, after: 0.001, world)
            }
        }
    }

    private func connect(_ worker: WorkerID, _ key: AgentMachine.EntryKey, _ world: World) {
        if let limit = world.scenario.startupLimit, world.connectingCount > limit {
            end(worker, world)
            return after(0.001, worker, .returns(.busy), world)
        }
        switch world.scenario.hosts[Int(key.entry)] {
        case .neverStarts(let outcome, _): return finish(worker, outcome, after: 0.001, world)
        case .busy(let times, _) where world.busyCount[Int(key.entry)] < times:
            world.busyCount[Int(key.entry)] += 1
            end(worker, world)
            return after(0.001, worker, .returns(.busy), world)
        case .ends, .busy, .hangs, .workerDies: break
        }
        world.connectingCount -= 1
        workers[worker]?.isConnecting = false
        workers[worker]?.claimedAt = world.now
        after(World.grantAge, worker, .grantAge, world)
        after(0, worker, .claims, world)
    }

    private func start(_ worker: WorkerID, _ world: World) throws {
        guard let state = workers[worker], !state.isOver, let claimedAt = state.claimedAt else { return }
        guard Double(world.now - claimedAt) / 1e9 < World.grantAge else {
            return finish(worker, .unreachable, after: 0.001, world)
        }
        workers[worker]?.isStarted = true
        try world.countStart(of: state.key)
        switch world.scenario.hosts[Int(state.key.entry)] {
        case .ends(_, _, let run), .busy(_, let run):
            if let limit = world.scenario.taskLimit, run > limit {
                workers[worker]?.isOver = true
                world.truth[state.key] = .timedOut
                return after(limit + 0.3, worker, .reports(.timedOut), world)
            }
            after(run, worker, .taskEnded, world)
        case .neverStarts, .workerDies: after(1, worker, .taskEnded, world)
        case .hangs:
            // Its liveness deadline passes.
            workers[worker]?.isOver = true
            world.truth[state.key] = .lost
            after(60, worker, .reports(.lost), world)
        }
    }

    private func stop(_ worker: WorkerID, _ world: World) {
        guard let state = workers[worker], !state.isOver else { return }
        finish(worker, .cancelled, after: state.isStarted ? 0.4 : 0.01, world)
    }
}

extension Lease {
    var key: AgentMachine.EntryKey {
        AgentMachine.EntryKey(entry: UInt32(entry.index), attempt: attempt.number)
    }
}

extension WireOutcome {
    var simulated: Outcome {
        switch self {
        case .ok: .ok
        case .failed: .failed
        case .signalled: .signalled
        case .timedOut: .timedOut
        case .unreachable: .unreachable
        case .refused: .refused
        case .cancelled: .cancelled
        case .skipped: .skipped
        case .lost, .unknown, .UNRECOGNIZED: .lost
        }
    }
}
