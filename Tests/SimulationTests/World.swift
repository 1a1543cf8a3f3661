// One seeded world in virtual time: the real Scheduler, one real AgentMachine for each agent process, the real numbered
// queues on both sides of each link; around them links that delay, cut, repeat and reorder, a journal that takes time and
// can fill up, workers and hosts with the behaviour of the scenario, and processes that die, stop and come back. After
// each event the promises are checked; the first that is broken ends the world with the end of its trace.

import WireProtocol

@testable import Agent
@testable import ForkPool
@testable import Scheduling

/// A promise that was broken, with what led to it.
struct Violation: Error, CustomStringConvertible {
    let description: String
}

final class World {
    enum ToAgent: Equatable {
        case openRun
        case lease([Lease])
        case revoke([Lease])
        case grant([Lease])
        case cancel([Lease])
        case closeRun
    }

    enum FromAgent: Equatable {
        case opened(holding: [AgentMachine.EntryKey])
        case claim(AgentMachine.EntryKey)
        case finished(AgentMachine.EntryKey, Outcome)
        case returned(AgentMachine.EntryKey, AgentMachine.ReturnCause)
    }

    enum Body: Equatable {
        case hello(received: UInt64)
        case helloReply(received: UInt64)
        case ping(token: UInt64)
        case pong(token: UInt64, sent: UInt64)
        case toAgent(UInt64, ToAgent)
        case fromAgent(UInt64, FromAgent)
    }

    struct Packet {
        let agent: Int
        let isToAgent: Bool
        let epoch: UInt64
        let call: UInt64
        let incarnation: UInt64
        let acknowledged: UInt64
        let body: Body
    }

    enum JournalJob: Equatable {
        case grant(Lease)
        case withdraw(Lease)
        case outcome(EntryID, Outcome)
    }

    enum Happening {
        case packet(Packet)
        case worker(agent: Int, incarnation: UInt64, WorkerID, SimulatedWorker.Step)
        case tick(agent: Int, incarnation: UInt64)
        case timer(Scheduler.Timer, generation: Int, epoch: UInt64)
        case committed(count: Int, epoch: UInt64)
        case hello(agent: Int, epoch: UInt64, call: UInt64)
        case openingLimit(agent: Int, epoch: UInt64, call: UInt64)
        case call(agent: Int, epoch: UInt64)
        case agentComesBack(Int)
        case agentContinues(agent: Int, incarnation: UInt64)
        case coordinatorComesBack
        case fault(Scenario.Fault)
    }

    static let grantAge = 10.0
    static let silence = 15.0
    /// Beyond these something waits that should not.
    var timeLimit = 1800.0
    var eventLimit = 600_000

    let scenario: Scenario
    let plan: SchedulingPlan
    var random: SplitMix64
    var queue = EventQueue<Happening>()
    var now: Int64 = 0
    var eventCount = 0

    var coordinator: SimulatedCoordinator?
    var epoch: UInt64 = 0
    var nodes: [SimulatedAgent] = []
    var lastIncarnation: UInt64 = 0
    var cutUntil: [Int64]
    private var lastArrival: [Int64]

    // What is durable, and what really happened.
    var journalledGrants: [[(lease: Lease, isWithdrawn: Bool)]]
    var journalledOutcomes: [Outcome?]
    var startCount: [Int]
    var grantCount: [Int]
    var busyCount: [Int]
    var workerDeaths: [Int]
    var truth: [AgentMachine.EntryKey: Outcome] = [:]
    var connectingCount = 0
    var outcomes: [Outcome?]
    var hasFinished = false
    var finishedAt: Int64 = 0
    var diskIsFull = false

    private(set) var trace: [String] = []
    private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    let keepsTrace: Bool

    init(_ scenario: Scenario, seed: UInt64, keepsTrace: Bool = true) {
        self.scenario = scenario
        self.keepsTrace = keepsTrace
        random = SplitMix64(seed: seed ^ 0x5eed)
        let count = scenario.hosts.count
        plan = SchedulingPlan(
            phases: scenario.phases,
            agents: scenario.agents.map { SchedulingPlan.Agent(isLocal: $0.isLocal, reaches: $0.reaches) },
            reachClasses: scenario.reachClasses
        )
        cutUntil = Array(repeating: 0, count: scenario.agents.count)
        lastArrival = Array(repeating: 0, count: 2 * scenario.agents.count)
        journalledGrants = Array(repeating: [], count: count)
        journalledOutcomes = Array(repeating: nil, count: count)
        startCount = Array(repeating: 0, count: count)
        grantCount = Array(repeating: 0, count: count)
        busyCount = Array(repeating: 0, count: count)
        workerDeaths = Array(repeating: 0, count: count)
        outcomes = Array(repeating: nil, count: count)
        for index in scenario.agents.indices { nodes.append(SimulatedAgent(index: index)) }
    }

    /// Lives through everything.
    ///
    /// - Throws: ``Violation``.
    func run() throws {
        for index in nodes.indices where !scenario.agents[index].isLocal { boot(index) }
        for (at, fault) in scenario.faults { after(at, .fault(fault)) }
        try startCoordinator()
        while let (time, happening) = queue.next() {
            now = time
            eventCount += 1
            try live(happening)
            // Worlds that are only measured are looked at now and then.
            if keepsTrace || eventCount % 1024 == 0 { try check() }
            if hasFinished, nodes.allSatisfy({ !$0.isAlive || $0.isStopped || $0.workers.isEmpty }) { break }
            guard seconds < timeLimit, eventCount < eventLimit else {
                throw violation("something waits: \(unfinishedEntries)")
            }
        }
        guard hasFinished else { throw violation("nothing happens any more, and the run is not finished") }
        try checkEnd()
    }

    private var unfinishedEntries: String {
        guard let scheduler = coordinator?.scheduler else { return "there is no coordinator" }
        let states = scheduler.entries.enumerated().filter { scheduler.outcome(of: EntryID($0.offset)) == nil }
        let entries = states.map { "\($0.offset): \($0.element)" }.joined(separator: ", ")
        return "\(scheduler.status), phase \(scheduler.currentPhase), entries \(entries)"
    }

    var seconds: Double { Double(now) / 1e9 }
    var instant: Instant { Instant(nanoseconds: now) }
    var sinceBoot: Duration { .nanoseconds(now) }

    func after(_ seconds: Double, _ happening: Happening) {
        queue.plan(happening, at: now + Int64(seconds * 1e9))
    }

    func note(_ text: @autoclosure () -> String) {
        guard keepsTrace else { return }
        let line = "\(now / 1000)us \(text())"
        for byte in line.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // Heartbeats count for the digest, and would hide everything else.
        if ["agentHeard", "heartbeat", "ping("].contains(where: line.contains) { return }
        trace.append(line)
        if trace.count > 400 { trace.removeFirst(200) }
    }

    func violation(_ text: String) -> Violation {
        Violation(description: "\(text)\n" + trace.suffix(60).joined(separator: "\n"))
    }

    private func live(_ happening: Happening) throws {
        switch happening {
        case .packet(let packet): try receive(packet)
        case .worker(let agent, let incarnation, let worker, let step):
            try deliver(happening, to: agent, incarnation) { try $0.advance(worker, step, self) }
        case .tick(let agent, let incarnation):
            try deliver(happening, to: agent, incarnation) { try $0.tick(self) }
        case .timer(let timer, let generation, let epoch):
            if coordinator?.epoch == epoch { try coordinator?.fire(timer, generation, self) }
        case .committed(let count, let epoch):
            if coordinator?.epoch == epoch { try coordinator?.commit(count, self) }
        case .hello(let agent, let epoch, let call):
            if coordinator?.epoch == epoch { coordinator?.helloAgain(agent, call, self) }
        case .openingLimit(let agent, let epoch, let call):
            if coordinator?.epoch == epoch { try coordinator?.giveUpOpening(agent, call, self) }
        case .call(let agent, let epoch):
            if coordinator?.epoch == epoch { coordinator?.call(agent, self) }
        case .agentComesBack(let index): if !nodes[index].isAlive { boot(index) }
        case .agentContinues(let agent, let incarnation):
            if nodes[agent].incarnation == incarnation { try nodes[agent].continueAgain(self) }
        case .coordinatorComesBack: try startCoordinator()
        case .fault(let fault): try harm(fault)
        }
    }

    /// What is for an agent process reaches it if it lives, and waits while it is stopped.
    private func deliver(
        _ happening: Happening,
        to agent: Int,
        _ incarnation: UInt64,
        _ action: (SimulatedAgent) throws -> Void
    ) throws {
        let node = nodes[agent]
        guard node.isAlive, node.incarnation == incarnation else { return }
        if node.isStopped, !happening.isHost { return node.held.append(happening) }
        try action(node)
    }

    func redeliver(_ happening: Happening) throws { try live(happening) }

    // MARK: Links

    func send(_ packet: Packet) {
        if random.chance(scenario.dropChance) { return note("dropped \(packet.summary)") }
        var copies = 1
        if random.chance(scenario.repeatChance) { copies = 2 }
        for _ in 0..<copies {
            var arrival = now + Int64(random.seconds(scenario.delay) * 1e9)
            let direction = 2 * packet.agent + (packet.isToAgent ? 1 : 0)
            if !scenario.reorders {
                arrival = max(arrival, lastArrival[direction])
                lastArrival[direction] = arrival
            }
            queue.plan(.packet(packet), at: arrival)
        }
    }

    private func receive(_ packet: Packet) throws {
        guard cutUntil[packet.agent] <= now else { return note("cut off \(packet.summary)") }
        if packet.isToAgent {
            let node = nodes[packet.agent]
            guard node.isAlive else { return }
            if node.isStopped { return node.held.append(.packet(packet)) }
            try node.receive(packet, self)
        } else if let coordinator, coordinator.epoch == packet.epoch {
            try coordinator.receive(packet, self)
        }
    }

    // MARK: Processes

    func boot(_ index: Int) {
        lastIncarnation += 1
        nodes[index] = SimulatedAgent(index: index, incarnation: lastIncarnation)
        note("agent \(index) runs as \(lastIncarnation)")
        after(scenario.tick, .tick(agent: index, incarnation: lastIncarnation))
    }

    /// The end of an agent process: its workers end the remote commands, and nobody hears of it.
    func kill(_ index: Int) {
        guard nodes[index].isAlive else { return }
        note("agent \(index) is dead")
        for worker in nodes[index].workers.values where worker.isConnecting { connectingCount -= 1 }
        nodes[index].isAlive = false
        nodes[index].workers = [:]
        if !scenario.agents[index].isLocal, random.chance(0.7) {
            after(random.seconds(0.5...30), .agentComesBack(index))
        }
    }

    private func startCoordinator() throws {
        epoch += 1
        note("coordinator of epoch \(epoch)")
        let scheduler: Scheduler
        if epoch == 1 {
            scheduler = Scheduler(plan: plan)
        } else {
            scheduler = Scheduler(plan: plan, resuming: outcomes.indices.map(record))
            outcomes = journalledOutcomes
        }
        let coordinator = SimulatedCoordinator(epoch: epoch, scheduler: scheduler, agentCount: nodes.count)
        self.coordinator = coordinator
        for index in nodes.indices { coordinator.call(index, self) }
        try coordinator.handle(.started, self)
    }

    private func record(of entry: Int) -> SchedulingPlan.Record {
        // Attempts of an earlier coordinator are not all journalled: each epoch has numbers of its own.
        let attempts = UInt32(epoch - 1) << 16
        if let outcome = journalledOutcomes[entry] { return .init(.finished(outcome), attempts: attempts) }
        if let grant = journalledGrants[entry].last, !grant.isWithdrawn {
            return .init(.granted(grant.lease), attempts: attempts)
        }
        return .init(.unstarted, attempts: attempts)
    }

    private func harm(_ fault: Scenario.Fault) throws {
        guard !hasFinished else { return }
        note("fault: \(fault)")
        switch fault {
        case .crashAgent(let index):
            let wasAlive = nodes[index].isAlive
            kill(index)
            // A local agent's end is seen at once, a remote one's mostly when its link breaks.
            if wasAlive, scenario.agents[index].isLocal || random.chance(0.5) {
                try coordinator?.noticeEnd(of: index, self)
            }
        case .stopAgent(let index, let seconds):
            guard nodes[index].isAlive, !nodes[index].isStopped else { return }
            nodes[index].isStopped = true
            after(seconds, .agentContinues(agent: index, incarnation: nodes[index].incarnation))
        case .killPool(let index):
            guard nodes[index].isAlive, !nodes[index].isStopped else { return }
            // The agent says so and ends.
            kill(index)
            try coordinator?.noticeEnd(of: index, self)
        case .cutLink(let index, let seconds):
            cutUntil[index] = max(cutUntil[index], now + Int64(seconds * 1e9))
        case .crashCoordinator(let backAfter):
            guard coordinator != nil else { return }
            coordinator = nil
            for index in nodes.indices where scenario.agents[index].isLocal { kill(index) }
            after(backAfter, .coordinatorComesBack)
        case .fillDisk: diskIsFull = true
        case .interrupt: try coordinator?.handle(.interrupted, self)
        }
    }

    // MARK: Promises

    private func check() throws {
        for node in nodes where node.isAlive {
            let slots = scenario.agents[node.index].slots
            guard node.machine?.activeCount ?? 0 <= slots else {
                throw violation("agent \(node.index) has more than \(slots) workers")
            }
        }
        guard let scheduler = coordinator?.scheduler else { return }
        let counted = scheduler.outcomeCounts.values.reduce(0, +) + scheduler.unfinishedCount
        guard counted == scenario.hosts.count else {
            throw violation("\(counted) entries instead of \(scenario.hosts.count)")
        }
        let phase = min(scheduler.currentPhase, plan.phases.count - 1)
        if plan.phases[phase].isSequential {
            let outstanding = nodes.indices.reduce(0) { $0 + scheduler.load(of: AgentID($1)).outstanding }
            guard outstanding <= 1 else { throw violation("\(outstanding) hosts at once in a sequence") }
        }
    }

    func isIdempotent(_ entry: Int) -> Bool {
        plan.phases.first { $0.entries.contains(entry) }?.isIdempotent ?? false
    }

    func countStart(of key: AgentMachine.EntryKey) throws {
        startCount[Int(key.entry)] += 1
        guard startCount[Int(key.entry)] == 1 || isIdempotent(Int(key.entry)) else {
            throw violation("host \(key.entry) was started twice")
        }
    }

    private func checkEnd() throws {
        let endedWell = Set(truth.filter { $0.value == .ok }.map { Int($0.key.entry) })
        for (entry, outcome) in outcomes.enumerated() {
            guard let outcome else { throw violation("entry \(entry) has no outcome") }
            let neverStarted: Bool =
                switch outcome {
                case .unreachable, .refused, .skipped: true
                case .ok, .failed, .signalled, .timedOut, .cancelled, .lost: false
                }
            if neverStarted, startCount[entry] > 0, !isIdempotent(entry) {
                throw violation("entry \(entry) is \(outcome), and was started")
            }
            if outcome == .ok, !endedWell.contains(entry) {
                throw violation("entry \(entry) is ok, and no worker ended well")
            }
        }
        for node in nodes where node.isAlive && !node.isStopped && node.machine != nil {
            guard node.machine?.activeCount == 0 else { throw violation("agent \(node.index) has workers left") }
        }
    }
}

extension World.Happening {
    /// What goes on although the agent is stopped: its workers are processes of their own.
    var isHost: Bool {
        if case .worker(_, _, _, let step) = self { return step.isOnHost }
        return false
    }
}

extension World.Packet {
    var summary: String { "\(isToAgent ? "to" : "from") agent \(agent): \(body)" }
}
