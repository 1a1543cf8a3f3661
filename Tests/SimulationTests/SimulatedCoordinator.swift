import Scheduling
import WireProtocol

@testable import Agent

/// The coordinator's shell in a world: what RunEngine and AgentConnection are in earnest.
final class SimulatedCoordinator {
    struct Link {
        var outbox = LinkOutbox<World.ToAgent>()
        var inbox = LinkInbox()
        var watch = LinkWatch()
        var incarnation: UInt64 = 0
        var call: UInt64
        var isOpen = false
    }

    let epoch: UInt64
    var scheduler: Scheduler
    private var links: [Link?]
    private var calls: [UInt64]
    private var timerGenerations: [Scheduler.Timer: Int] = [:]
    private var journal: [World.JournalJob] = []
    private var hasToldFailure = false

    init(epoch: UInt64, scheduler: Scheduler, agentCount: Int) {
        self.epoch = epoch
        self.scheduler = scheduler
        links = Array(repeating: nil, count: agentCount)
        calls = Array(repeating: 0, count: agentCount)
    }

    // MARK: Scheduler

    func handle(_ event: Scheduler.Event, _ world: World) throws {
        var effects: [Scheduler.Effect] = []
        scheduler.handle(event, at: world.instant, effects: &effects)
        world.note("\(event)")
        for effect in effects { try perform(effect, world) }
        for index in links.indices { flush(index, world) }
    }

    private func perform(_ effect: Scheduler.Effect, _ world: World) throws {
        world.note("  → \(effect)")
        switch effect {
        case .beginPhase: break
        case .lease(let agent, let leases):
            for lease in leases {
                guard scheduler.outcome(of: lease.entry) == nil else {
                    throw world.violation("a finished entry is leased")
                }
                let reachClass = Int(
                    world.scenario.reachClasses.isEmpty ? 0 : world.scenario.reachClasses[lease.entry.index]
                )
                guard world.scenario.agents[agent.index].reaches[reachClass] else {
                    throw world.violation("entry \(lease.entry.index) is leased to an agent that does not reach it")
                }
            }
            links[agent.index]?.outbox.append(.lease(leases))
        case .revoke(let agent, let leases): links[agent.index]?.outbox.append(.revoke(leases))
        case .journalGrant(let lease): write(.grant(lease), world)
        case .journalWithdrawal(let lease): write(.withdraw(lease), world)
        case .grant(let lease): try grant(lease, world)
        case .cancel(let agent, let leases): links[agent.index]?.outbox.append(.cancel(leases))
        case .finish(let entry, let outcome, let cause, _):
            guard cause != .violation else { throw world.violation("an agent reported without a grant") }
            guard world.outcomes[entry.index] == nil else {
                throw world.violation("a second outcome for \(entry.index)")
            }
            world.outcomes[entry.index] = outcome
            write(.outcome(entry, outcome), world)
        case .replaceLost(let entry, let outcome, _):
            guard world.outcomes[entry.index] == .lost else { throw world.violation("\(entry.index) was not lost") }
            world.outcomes[entry.index] = outcome
            write(.outcome(entry, outcome), world)
        case .ping(let agent): ping(agent.index, world)
        case .abandonAgent(let agent):
            links[agent.index] = nil
            if world.scenario.agents[agent.index].isLocal { world.kill(agent.index) }
        case .startAgent(let agent):
            let wait = world.scenario.agents[agent.index].isLocal ? 0.02 : 1
            world.after(wait, .call(agent: agent.index, epoch: epoch))
        case .setTimer(let timer, let time):
            timerGenerations[timer, default: 0] += 1
            let generation = timerGenerations[timer] ?? 0
            world.queue.plan(.timer(timer, generation: generation, epoch: epoch), at: max(world.now, time.nanoseconds))
        case .finishRun:
            guard !world.hasFinished else { throw world.violation("the run finished twice") }
            world.hasFinished = true
            world.finishedAt = world.now
            for index in links.indices { links[index]?.outbox.append(.closeRun) }
        }
    }

    private func grant(_ lease: Lease, _ world: World) throws {
        guard scheduler.outcome(of: lease.entry) == nil else { throw world.violation("a finished entry is granted") }
        guard world.journalledGrants[lease.entry.index].contains(where: { $0.lease == lease && !$0.isWithdrawn }) else {
            throw world.violation("a grant was sent that is not in the journal")
        }
        world.grantCount[lease.entry.index] += 1
        guard world.grantCount[lease.entry.index] == 1 || world.isIdempotent(lease.entry.index) else {
            throw world.violation("entry \(lease.entry.index) was granted twice")
        }
        links[lease.agent.index]?.outbox.append(.grant([lease]))
    }

    func fire(_ timer: Scheduler.Timer, _ generation: Int, _ world: World) throws {
        guard timerGenerations[timer] == generation else { return }
        try handle(.timerFired(timer), world)
    }

    // MARK: Journal

    private func write(_ job: World.JournalJob, _ world: World) {
        journal.append(job)
        world.after(world.random.seconds(world.scenario.commit), .committed(count: 1, epoch: epoch))
    }

    /// The oldest jobs are on the disk, or the disk is full.
    func commit(_ count: Int, _ world: World) throws {
        if world.diskIsFull {
            guard !hasToldFailure else { return }
            hasToldFailure = true
            return try handle(.journalFailed, world)
        }
        var granted: [Lease] = []
        for job in journal.prefix(count) {
            switch job {
            case .grant(let lease):
                world.journalledGrants[lease.entry.index].append((lease, false))
                granted.append(lease)
            case .withdraw(let lease):
                for index in world.journalledGrants[lease.entry.index].indices
                where world.journalledGrants[lease.entry.index][index].lease == lease {
                    world.journalledGrants[lease.entry.index][index].isWithdrawn = true
                }
            case .outcome(let entry, let outcome): world.journalledOutcomes[entry.index] = outcome
            }
        }
        journal.removeFirst(min(count, journal.count))
        if !granted.isEmpty { try handle(.grantsJournalled(granted), world) }
    }

    // MARK: Agents

    /// Makes a new link; a local agent is started for it.
    func call(_ index: Int, _ world: World) {
        guard links[index] == nil, !world.hasFinished else { return }
        if world.scenario.agents[index].isLocal {
            world.kill(index)
            world.boot(index)
        }
        calls[index] += 1
        links[index] = Link(call: calls[index])
        helloAgain(index, calls[index], world)
        world.after(15, .openingLimit(agent: index, epoch: epoch, call: calls[index]))
    }

    func helloAgain(_ index: Int, _ call: UInt64, _ world: World) {
        guard let link = links[index], link.call == call, link.incarnation == 0 else { return }
        sayHello(index, world)
        world.after(1, .hello(agent: index, epoch: epoch, call: call))
    }

    func giveUpOpening(_ index: Int, _ call: UInt64, _ world: World) throws {
        guard let link = links[index], link.call == call, !link.isOpen else { return }
        try noticeEnd(of: index, world)
    }

    func noticeEnd(of index: Int, _ world: World) throws {
        guard links[index] != nil, !world.hasFinished else { return }
        try handle(.agentLost(AgentID(index)), world)
    }

    private func sayHello(_ index: Int, _ world: World) {
        guard let link = links[index] else { return }
        transmit(.hello(received: link.inbox.received), index, world)
    }

    private func ping(_ index: Int, _ world: World) {
        guard var link = links[index] else { return }
        let token = link.watch.nextPing(sent: link.outbox.lastSent)
        links[index] = link
        transmit(.ping(token: token), index, world)
    }

    private func flush(_ index: Int, _ world: World) {
        guard links[index]?.outbox.hasUnsent ?? false else { return }
        while let link = links[index], link.incarnation != 0, let (number, message) = link.outbox.nextUnsent {
            transmit(.toAgent(number, message), index, world)
            links[index]?.outbox.markSent()
        }
    }

    private func transmit(_ body: World.Body, _ index: Int, _ world: World) {
        guard let link = links[index] else { return }
        world.send(
            World.Packet(
                agent: index,
                isToAgent: true,
                epoch: epoch,
                call: link.call,
                incarnation: link.incarnation,
                acknowledged: link.inbox.received,
                body: body
            )
        )
    }

    func receive(_ packet: World.Packet, _ world: World) throws {
        let index = packet.agent
        guard var link = links[index], link.call == packet.call else { return }
        if case .helloReply(let received) = packet.body {
            guard link.incarnation == 0 || link.incarnation == packet.incarnation else { return }
            let isFirst = link.incarnation == 0
            link.incarnation = packet.incarnation
            link.outbox.rewind(peerHas: received)
            if isFirst { link.outbox.append(.openRun) }
            links[index] = link
            return flush(index, world)
        }
        guard packet.incarnation == link.incarnation else { return }
        link.outbox.acknowledge(upTo: packet.acknowledged)
        links[index] = link
        if link.isOpen { try handle(.agentHeard(AgentID(index), Incarnation(link.incarnation)), world) }
        switch packet.body {
        case .pong(let token, let sent):
            let isMissing = link.watch.isMissing(
                token: token,
                acknowledged: packet.acknowledged,
                peerSent: sent,
                received: link.inbox.received
            )
            if isMissing { sayHello(index, world) }
        case .fromAgent(let number, let message):
            guard links[index] != nil else { return }
            switch links[index]?.inbox.accept(number) {
            case .deliver: try take(message, from: index, world)
            case .gap: sayHello(index, world)
            case .duplicate, nil: break
            }
        case .hello, .helloReply, .ping, .toAgent: break
        }
    }

    private func take(_ message: World.FromAgent, from index: Int, _ world: World) throws {
        guard let link = links[index] else { return }
        func lease(_ key: AgentMachine.EntryKey) -> Lease {
            Lease(
                entry: EntryID(Int(key.entry)),
                attempt: Attempt(key.attempt),
                agent: AgentID(index),
                incarnation: Incarnation(link.incarnation)
            )
        }
        switch message {
        case .opened(let holding):
            links[index]?.isOpen = true
            let event = Scheduler.Event.agentOpened(
                AgentID(index),
                Incarnation(link.incarnation),
                slots: world.scenario.agents[index].slots,
                holding: holding.map(lease)
            )
            try handle(event, world)
        case .claim(let key): try handle(.hostClaimed(lease(key)), world)
        case .finished(let key, let outcome): try handle(.hostFinished(lease(key), outcome), world)
        case .returned(let key, let cause):
            let cause: Scheduler.ReturnCause =
                switch cause {
                case .revoked: .revoked
                case .setback: .setback
                case .busy: .busy
                }
            try handle(.hostReturned(lease(key), cause), world)
        }
    }
}
