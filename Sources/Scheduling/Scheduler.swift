// The bubble across agents: decides which entry goes to which agent, which claim is granted, and what each entry's one
// outcome is. No IO, no clock, no randomness; it never iterates a Set or a Dictionary, so the same events give the same
// effects in every process. The shell receives an event, handles it here, journals, then performs the effects in order.
//
//     queued → leased → claimed → granted → finished        legal transitions; every other event for an entry is
//        ↑________|________|                                ignored (a message of an older lease, a repeated one)
//                 ↘________↘→ finished                      finished(lost) → finished: one late result, same lease
//
// A lease is granted at most once, and an entry that was granted is never leased again unless its task is idempotent:
// a claim that was journalled but whose grant was never sent is withdrawn, and only then queued again.

/// The state of a run's entries and agents, and the rules by which they move on.
public struct Scheduler: Sendable {
    /// What was fixed before the run.
    public let plan: SchedulingPlan
    /// How many entries have which outcome.
    public private(set) var outcomeCounts: [Outcome: Int] = [:]
    /// How many entries have none yet.
    public private(set) var unfinishedCount: Int
    /// How many entries were granted and have not ended.
    public private(set) var runningCount = 0
    /// The task that runs now; the count of tasks when all are done.
    public private(set) var currentPhase = 0
    /// How the run is going.
    public private(set) var status = Status.running

    private var entries: [EntryState]
    private var attempts: [UInt32]
    private var setbacks: [UInt8]
    private var busyCounts: [UInt8]
    /// Entries that wait for another try, the next one first.
    private var delayed: [(due: Instant, entry: EntryID)] = []
    private var agents: [AgentState]
    private var queues: [EntryQueue]
    private var unfinishedInPhase = 0
    private var failuresInPhase = 0
    private var interruptCount = 0
    private var heartbeatDue = Instant(nanoseconds: 0)
    private var now = Instant(nanoseconds: 0)
    private var hasStarted = false
    private var retryDue: Instant?
    /// Until when agents of an earlier coordinator may open again with what they hold.
    private var handOverDue = Instant(nanoseconds: 0)
    /// For each reach class: since when something is queued that no open agent reaches.
    private var unreachableSince: [Instant?]

    /// How a run is going.
    public enum Status: Equatable, Sendable {
        /// Entries are leased.
        case running
        /// Nothing more is leased or granted; what runs may end.
        case draining(FinishCause)
        /// Every entry has its outcome.
        case finished
    }

    enum EntryState: Equatable, Sendable {
        case queued
        case leased(Lease, isRevoking: Bool)
        case claimed(Lease)
        case granted(Lease)
        case finished(Outcome, lostLease: Lease?)
    }

    struct AgentState: Sendable {
        enum Status: Equatable, Sendable {
            case opening
            case open(Incarnation)
            case gone
        }
        var status = Status.opening
        var slots = 0
        /// Leases without an end.
        var outstanding = 0
        var revoking = 0
        /// Leases that are not claimed: their workers connect, or will.
        var connecting = 0
        var pace = ConnectPace()
        /// Entries leased to it, in the order of the leases; those that have moved on are dropped now and then.
        var leased: [EntryID] = []
        var lastHeard = Instant(nanoseconds: 0)
        var restarts = 0
        /// It holds leases of an earlier coordinator, and has just opened.
        var needsHandOver = false

        var isOpen: Bool {
            if case .open = status { return true }
            return false
        }
    }

    /// A run at its beginning: everything queued, no agent open.
    public init(plan: SchedulingPlan) {
        self.plan = plan
        let count = plan.entryCount
        unfinishedCount = count
        entries = Array(repeating: .queued, count: count)
        attempts = Array(repeating: 0, count: count)
        setbacks = Array(repeating: 0, count: count)
        busyCounts = Array(repeating: 0, count: count)
        agents = Array(repeating: AgentState(), count: plan.agents.count)
        queues = Array(repeating: EntryQueue(), count: plan.reachClassCount)
        unreachableSince = Array(repeating: nil, count: plan.reachClassCount)
    }

    /// A run that an earlier coordinator left, as its journal tells it: finished entries stay finished; granted ones are
    /// still their agent's, if the same process of it opens again, and `lost` (or run again, if idempotent) when another
    /// one does or none in time; the rest is queued.
    ///
    /// - Parameter records: one for each entry.
    public init(plan: SchedulingPlan, resuming records: [SchedulingPlan.Record]) {
        precondition(records.count == plan.entryCount, "one record for each entry")
        self.init(plan: plan)
        for (index, record) in records.enumerated() {
            attempts[index] = record.attempts
            switch record.progress {
            case .unstarted: break
            case .granted(let lease):
                let isOurs = lease.entry.index == index && agents.indices.contains(lease.agent.index)
                precondition(isOurs, "a lease of another run")
                entries[index] = .granted(lease)
                runningCount += 1
                agents[lease.agent.index].outstanding += 1
                agents[lease.agent.index].leased.append(lease.entry)
            case .finished(let outcome):
                entries[index] = .finished(outcome, lostLease: nil)
                outcomeCounts[outcome, default: 0] += 1
                unfinishedCount -= 1
            }
        }
    }

    /// The one door: what has happened, when, and what is to be done about it (appended to `effects`).
    public mutating func handle(_ event: Event, at now: Instant, effects: inout [Effect]) {
        guard status != .finished else { return }
        if let lease = event.lease, !isKnown(lease) { return }
        self.now = now
        switch event {
        case .started: start(&effects)
        case .agentOpened(let agent, let incarnation, let slots): open(agent, incarnation, slots: slots)
        case .agentHeard(let agent, let incarnation):
            if agents[agent.index].status == .open(incarnation) { agents[agent.index].lastHeard = now }
        case .agentLost(let agent): lose(agent, &effects)
        case .hostClaimed(let lease): claim(lease, &effects)
        case .grantsJournalled(let leases): for lease in leases { grant(lease, &effects) }
        case .journalFailed: drain(.journalFailed, &effects)
        case .hostFinished(let lease, let outcome): report(lease, outcome, &effects)
        case .hostReturned(let lease, let cause): takeBack(lease, cause, &effects)
        case .interrupted: interrupt(&effects)
        case .timerFired(.heartbeat): beat(&effects)
        case .timerFired(.lastAgent), .timerFired(.retry): break  // what follows looks at the time
        }
        advance(&effects)
    }

    /// The outcome of an entry, or nil while it has none.
    public func outcome(of entry: EntryID) -> Outcome? {
        guard case .finished(let outcome, _) = entries[entry.index] else { return nil }
        return outcome
    }

    /// Whether what a worker prints under this lease belongs to the entry's outcome: it was granted, and no other
    /// result stands.
    public func takesOutput(of lease: Lease) -> Bool {
        guard entries.indices.contains(lease.entry.index) else { return false }
        switch entries[lease.entry.index] {
        case .granted(lease), .finished(.lost, lease): return true
        case .queued, .leased, .claimed, .granted, .finished: return false
        }
    }

    /// Whether an agent is open, and with how many leases under way.
    public func load(of agent: AgentID) -> (isOpen: Bool, slots: Int, outstanding: Int) {
        let state = agents[agent.index]
        return (state.isOpen, state.slots, state.outstanding)
    }

    /// A lease that this run could have given out: an agent may say anything.
    private func isKnown(_ lease: Lease) -> Bool {
        entries.indices.contains(lease.entry.index) && agents.indices.contains(lease.agent.index)
    }

    // MARK: Beginning, phases, end

    private mutating func start(_ effects: inout [Effect]) {
        hasStarted = true
        for index in agents.indices { agents[index].lastHeard = now }
        setHeartbeat(&effects)
        handOverDue = now.advanced(by: plan.policy.lastAgentWait)
        if runningCount > 0 { effects.append(.setTimer(.lastAgent, handOverDue)) }
        if !plan.phases.isEmpty { beginPhase(0, &effects) }
    }

    private mutating func beginPhase(_ index: Int, _ effects: inout [Effect]) {
        currentPhase = index
        failuresInPhase = 0
        unfinishedInPhase = 0
        for entry in plan.phases[index].entries {
            switch entries[entry] {
            case .queued: queues[plan.reachClass(of: entry)].append(EntryID(entry))
            case .finished(let outcome, _):
                if outcome != .ok { failuresInPhase += 1 }
                continue
            case .leased, .claimed, .granted: break
            }
            unfinishedInPhase += 1
        }
        effects.append(.beginPhase(index))
    }

    /// After every event: the next phase when this one is done, the end when all are, and leases for free slots.
    private mutating func advance(_ effects: inout [Effect]) {
        // Agents may open first, so that the first wave is spread over all of them.
        guard hasStarted else { return }
        requeueDelayed(&effects)
        settleHandOvers(&effects)
        repeat {
            while status == .running, unfinishedInPhase == 0, currentPhase + 1 < plan.phases.count {
                if failuresInPhase > 0, !plan.phases[currentPhase].continuesAfterFailure {
                    drain(.failures, &effects)
                } else {
                    beginPhase(currentPhase + 1, &effects)
                }
            }
        } while watchReach(&effects)
        if unfinishedCount == 0 {
            status = .finished
            effects.append(.finishRun)
            return
        }
        dispatch(&effects)
    }

    /// Ends what no agent is left for, at once or after the wait. True when something was ended.
    private mutating func watchReach(_ effects: inout [Effect]) -> Bool {
        var hasEnded = false
        for reachClass in queues.indices {
            let reaching = agents.indices.filter { plan.agents[$0].reaches[reachClass] }
            if queues[reachClass].isEmpty || reaching.contains(where: { agents[$0].isOpen }) {
                unreachableSince[reachClass] = nil
                continue
            }
            let deadline = (unreachableSince[reachClass] ?? now).advanced(by: plan.policy.lastAgentWait)
            if deadline <= now || reaching.allSatisfy({ agents[$0].status == .gone }) {
                for entry in queues[reachClass].removeAll() { finish(entry, .skipped, .noAgent, nil, &effects) }
                hasEnded = true
            } else if unreachableSince[reachClass] == nil {
                unreachableSince[reachClass] = now
                effects.append(.setTimer(.lastAgent, deadline))
            }
        }
        return hasEnded
    }

    // MARK: Agents

    private mutating func open(_ agent: AgentID, _ incarnation: Incarnation, slots: Int) {
        guard agents[agent.index].status == .opening else { return }
        agents[agent.index].status = .open(incarnation)
        agents[agent.index].slots = max(1, slots)
        agents[agent.index].lastHeard = now
        agents[agent.index].needsHandOver = agents[agent.index].outstanding > 0
    }

    private mutating func lose(_ agent: AgentID, _ effects: inout [Effect]) {
        guard agents[agent.index].status != .gone else { return }
        let leases = agents[agent.index].leased.compactMap { openLease(of: $0, with: agent) }
        agents[agent.index].leased = []
        effects.append(.abandonAgent(agent))
        // A remote agent may come back as long as the run waits; a local one that keeps dying will not get better.
        let isHopeless = plan.agents[agent.index].isLocal && agents[agent.index].restarts >= plan.policy.restartLimit
        if status == .running, !isHopeless {
            agents[agent.index].status = .opening
            agents[agent.index].restarts += 1
            effects.append(.startAgent(agent))
        } else {
            agents[agent.index].status = .gone
        }
        for lease in leases.sorted(by: { $0.entry < $1.entry }) { settleLoss(of: lease, &effects) }
        agents[agent.index].outstanding = 0
        agents[agent.index].revoking = 0
        agents[agent.index].connecting = 0
        agents[agent.index].pace = ConnectPace()
    }

    /// Granted entries of an earlier coordinator whose agent did not open again in time, or opened as another process.
    private mutating func settleHandOvers(_ effects: inout [Effect]) {
        for index in agents.indices {
            let isLate = !agents[index].isOpen && now >= handOverDue
            guard agents[index].outstanding > 0, agents[index].needsHandOver || isLate else { continue }
            let holder = AgentID(index)
            agents[index].needsHandOver = false
            for entry in agents[index].leased {
                guard let lease = openLease(of: entry, with: holder),
                    agents[index].status != .open(lease.incarnation)
                else { continue }
                settleLoss(of: lease, &effects)
            }
        }
    }

    /// The lease of an entry when this agent holds it and it has no end.
    private func openLease(of entry: EntryID, with agent: AgentID) -> Lease? {
        switch entries[entry.index] {
        case .leased(let lease, _), .claimed(let lease), .granted(let lease): lease.agent == agent ? lease : nil
        case .queued, .finished: nil
        }
    }

    private mutating func settleLoss(of lease: Lease, _ effects: inout [Effect]) {
        switch entries[lease.entry.index] {
        case .leased: putBackOrEnd(lease, counts: true, &effects)
        case .claimed:
            effects.append(.journalWithdrawal(lease))
            putBackOrEnd(lease, counts: true, &effects)
        case .granted:
            let mayRunAgain = plan.phases[currentPhase].isIdempotent && status == .running
            if mayRunAgain, setbacks[lease.entry.index] < plan.policy.setbackLimit {
                setbacks[lease.entry.index] += 1
                release(lease.entry)
                putBack(lease.entry)
            } else {
                finish(lease.entry, .lost, .agentLost(lease.agent), lease, &effects)
            }
        case .queued, .finished: break
        }
    }

    private mutating func setHeartbeat(_ effects: inout [Effect]) {
        heartbeatDue = now.advanced(by: plan.policy.heartbeat)
        effects.append(.setTimer(.heartbeat, heartbeatDue))
    }

    private mutating func beat(_ effects: inout [Effect]) {
        // A beat that comes far too late means that this process was stopped: the agents' answers are still to be read.
        let wasStopped = now.duration(since: heartbeatDue) > plan.policy.agentSilence / 2
        for index in agents.indices {
            guard agents[index].isOpen else { continue }
            if wasStopped { agents[index].lastHeard = now }
            if now.duration(since: agents[index].lastHeard) > plan.policy.agentSilence {
                lose(AgentID(index), &effects)
            } else {
                effects.append(.ping(AgentID(index)))
            }
        }
        setHeartbeat(&effects)
    }

    // MARK: Entries

    private mutating func claim(_ lease: Lease, _ effects: inout [Effect]) {
        guard case .leased(lease, let isRevoking) = entries[lease.entry.index] else { return }
        if isRevoking { agents[lease.agent.index].revoking -= 1 }
        agents[lease.agent.index].connecting -= 1
        agents[lease.agent.index].pace.connected(slots: agents[lease.agent.index].slots)
        entries[lease.entry.index] = .claimed(lease)
        // While draining it has been told to stop already, and its end will be reported.
        if status == .running { effects.append(.journalGrant(lease)) }
    }

    private mutating func grant(_ lease: Lease, _ effects: inout [Effect]) {
        guard case .claimed(lease) = entries[lease.entry.index], status == .running else { return }
        entries[lease.entry.index] = .granted(lease)
        runningCount += 1
        effects.append(.grant(lease))
    }

    private mutating func report(_ lease: Lease, _ outcome: Outcome, _ effects: inout [Effect]) {
        switch entries[lease.entry.index] {
        case .leased(lease, _), .claimed(lease):
            if outcome.needsGrant {
                finish(lease.entry, .lost, .violation, lease, &effects)
            } else if outcome == .cancelled, case .draining(let cause) = status {
                finish(lease.entry, Self.outcome(of: cause), cause, lease, &effects)
            } else {
                finish(lease.entry, outcome, .reported, lease, &effects)
            }
        case .granted(lease): finish(lease.entry, outcome, .reported, lease, &effects)
        case .finished(.lost, lease):
            entries[lease.entry.index] = .finished(outcome, lostLease: nil)
            outcomeCounts[.lost, default: 0] -= 1
            outcomeCounts[outcome, default: 0] += 1
            effects.append(.replaceLost(lease.entry, outcome, lease))
        case .queued, .leased, .claimed, .granted, .finished: break
        }
    }

    private mutating func takeBack(_ lease: Lease, _ cause: ReturnCause, _ effects: inout [Effect]) {
        switch entries[lease.entry.index] {
        case .leased(lease, _):
            if cause == .busy, status == .running {
                delay(lease, &effects)
            } else {
                putBackOrEnd(lease, counts: cause == .setback, &effects)
            }
        case .claimed(lease):
            effects.append(.journalWithdrawal(lease))
            putBackOrEnd(lease, counts: cause == .setback, &effects)
        case .granted(lease):
            // The worker gave up waiting as the grant was on its way: it did not start, but a grant is used up.
            finish(lease.entry, .unreachable, .setbacks, lease, &effects)
        case .queued, .leased, .claimed, .granted, .finished: break
        }
    }

    private mutating func putBackOrEnd(_ lease: Lease, counts: Bool, _ effects: inout [Effect]) {
        if case .draining(let cause) = status {
            finish(lease.entry, Self.outcome(of: cause), cause, nil, &effects)
            return
        }
        if counts { setbacks[lease.entry.index] += 1 }
        if setbacks[lease.entry.index] > plan.policy.setbackLimit {
            finish(lease.entry, .unreachable, .setbacks, lease, &effects)
        } else {
            release(lease.entry)
            putBack(lease.entry)
        }
    }

    /// The host's server was busy: fewer connections at once from this agent, and another try later.
    private mutating func delay(_ lease: Lease, _ effects: inout [Effect]) {
        let entry = lease.entry
        agents[lease.agent.index].pace.turnedAway(connecting: agents[lease.agent.index].connecting, at: now)
        busyCounts[entry.index] += 1
        let tries = Int(busyCounts[entry.index])
        guard tries <= plan.policy.busyLimit else { return finish(entry, .unreachable, .busy, lease, &effects) }
        release(entry)
        entries[entry.index] = .queued
        let wait = ConnectPace.delay(entry: entry, tries: tries, policy: plan.policy)
        let due = now.advanced(by: wait)
        delayed.insert((due, entry), at: delayed.firstIndex { $0.due > due } ?? delayed.count)
    }

    /// Queues what has waited long enough, and sets the timer for the rest.
    private mutating func requeueDelayed(_ effects: inout [Effect]) {
        let count = delayed.prefix { $0.due <= now }.count
        for (_, entry) in delayed.prefix(count) { putBack(entry) }
        delayed.removeFirst(count)
        if let next = delayed.first, retryDue != next.due { effects.append(.setTimer(.retry, next.due)) }
        retryDue = delayed.first?.due
    }

    private mutating func putBack(_ entry: EntryID) {
        entries[entry.index] = .queued
        queues[plan.reachClass(of: entry.index)].putBack(entry)
    }

    /// An entry leaves the agent that it was leased to.
    private mutating func release(_ entry: EntryID) {
        switch entries[entry.index] {
        case .leased(let lease, let isRevoking):
            agents[lease.agent.index].outstanding -= 1
            agents[lease.agent.index].connecting -= 1
            if isRevoking { agents[lease.agent.index].revoking -= 1 }
        case .claimed(let lease): agents[lease.agent.index].outstanding -= 1
        case .granted(let lease):
            agents[lease.agent.index].outstanding -= 1
            runningCount -= 1
        case .queued, .finished: break
        }
    }

    private mutating func finish(
        _ entry: EntryID,
        _ outcome: Outcome,
        _ cause: FinishCause,
        _ lease: Lease?,
        _ effects: inout [Effect]
    ) {
        release(entry)
        entries[entry.index] = .finished(outcome, lostLease: outcome == .lost ? lease : nil)
        outcomeCounts[outcome, default: 0] += 1
        unfinishedCount -= 1
        if plan.phases[currentPhase].entries.contains(entry.index) { unfinishedInPhase -= 1 }
        effects.append(.finish(entry, outcome, cause, lease))
        if outcome != .ok {
            failuresInPhase += 1
            if let budget = plan.phases[currentPhase].failureBudget, failuresInPhase > budget {
                drain(.failures, &effects)
            }
        }
    }

    // MARK: Stopping

    private mutating func interrupt(_ effects: inout [Effect]) {
        interruptCount += 1
        drain(.interrupted, &effects)
        guard interruptCount >= 2 else { return }
        cancelAll(&effects) { state in
            if case .granted(let lease) = state { return lease }
            return nil
        }
    }

    private mutating func drain(_ cause: FinishCause, _ effects: inout [Effect]) {
        if case .draining(let earlier) = status {
            // The user's word counts for what is still open.
            if cause == .interrupted, earlier != .interrupted { status = .draining(cause) }
            return
        }
        guard status == .running else { return }
        status = .draining(cause)
        for reachClass in queues.indices { _ = queues[reachClass].removeAll() }
        delayed = []
        let first = plan.phases.isEmpty ? 0 : plan.phases[currentPhase].entries.lowerBound
        for index in first..<entries.count where entries[index] == .queued {
            finish(EntryID(index), Self.outcome(of: cause), cause, nil, &effects)
        }
        cancelAll(&effects) { state in
            switch state {
            case .leased(let lease, _), .claimed(let lease): lease
            case .queued, .granted, .finished: nil
            }
        }
    }

    private func cancelAll(_ effects: inout [Effect], where select: (EntryState) -> Lease?) {
        var byAgent: [[Lease]] = Array(repeating: [], count: agents.count)
        for state in entries {
            if let lease = select(state) { byAgent[lease.agent.index].append(lease) }
        }
        for (index, leases) in byAgent.enumerated() where !leases.isEmpty {
            effects.append(.cancel(AgentID(index), leases))
        }
    }

    private static func outcome(of cause: FinishCause) -> Outcome {
        switch cause {
        case .interrupted: .cancelled
        case .reported, .agentLost, .noAgent, .failures, .journalFailed, .violation, .setbacks, .busy: .skipped
        }
    }

    // MARK: Leasing

    private mutating func dispatch(_ effects: inout [Effect]) {
        guard status == .running, currentPhase < plan.phases.count else { return }
        let phase = plan.phases[currentPhase]
        var leases: [[Lease]] = Array(repeating: [], count: agents.count)
        if phase.isSequential {
            let isBusy = agents.contains { $0.outstanding > 0 }
            // One that waits for another try comes before those behind it.
            if !isBusy, delayed.isEmpty, let agent = nextSequentialAgent() { leaseOne(to: agent, &leases) }
        } else {
            let poolSize = phase.poolSize
            while let agent = freest(poolSize: poolSize) { leaseOne(to: agent, &leases) }
            prefetch(poolSize: poolSize, &leases)
            rebalance(poolSize: poolSize, &effects)
        }
        for (index, batch) in leases.enumerated() where !batch.isEmpty {
            effects.append(.lease(AgentID(index), batch))
        }
    }

    /// The agent for the first queued entry of all; none when no open agent reaches it yet.
    private func nextSequentialAgent() -> Int? {
        var next: (entry: EntryID, reachClass: Int)?
        for (index, queue) in queues.enumerated() {
            guard let first = queue.first else { continue }
            if next == nil || first < next!.entry { next = (first, index) }
        }
        guard let next else { return nil }
        return agents.indices.first { agents[$0].isOpen && plan.agents[$0].reaches[next.reachClass] }
    }

    /// The open agent with the most free slots among those for which something is queued; the first of equals.
    private func freest(poolSize: Int) -> Int? {
        var best: (index: Int, free: Int)?
        for index in agents.indices {
            let free = freeSlots(of: index, poolSize: poolSize)
            if free > 0, free > (best?.free ?? 0), nextClass(for: index) != nil { best = (index, free) }
        }
        return best?.index
    }

    private func freeSlots(of index: Int, poolSize: Int) -> Int {
        guard agents[index].isOpen else { return 0 }
        let free = min(agents[index].slots, poolSize) - agents[index].outstanding
        return min(free, agents[index].pace.room(connecting: agents[index].connecting))
    }

    /// The reach class whose first entry is the next for this agent.
    private func nextClass(for agent: Int) -> Int? {
        var best: (reachClass: Int, entry: EntryID)?
        for (index, queue) in queues.enumerated() where plan.agents[agent].reaches[index] {
            guard let first = queue.first else { continue }
            if best == nil || first < best!.entry { best = (index, first) }
        }
        return best?.reachClass
    }

    private mutating func leaseOne(to agent: Int, _ leases: inout [[Lease]]) {
        guard case .open(let incarnation) = agents[agent].status, let reachClass = nextClass(for: agent),
            let entry = queues[reachClass].removeFirst()
        else { return }
        attempts[entry.index] += 1
        let lease = Lease(
            entry: entry,
            attempt: Attempt(attempts[entry.index]),
            agent: AgentID(agent),
            incarnation: incarnation
        )
        entries[entry.index] = .leased(lease, isRevoking: false)
        agents[agent].outstanding += 1
        agents[agent].connecting += 1
        if agents[agent].leased.count > 2 * agents[agent].outstanding + 64 {
            let holder = AgentID(agent)
            agents[agent].leased = agents[agent].leased.filter { openLease(of: $0, with: holder) != nil }
        }
        agents[agent].leased.append(entry)
        leases[agent].append(lease)
    }

    /// A few leases ahead of the slots hide the round trip. The fewer are queued the fewer are given out ahead, so that
    /// at the end no host waits behind a slow one while another agent idles.
    private mutating func prefetch(poolSize: Int, _ leases: inout [[Lease]]) {
        let queued = queues.reduce(0) { $0 + $1.count }
        for index in agents.indices {
            guard agents[index].isOpen else { continue }
            let slots = min(agents[index].slots, poolSize)
            let ahead = min(max(2, slots / 4), queued / (4 * agents.count))
            guard agents[index].outstanding <= slots + ahead / 2 else { continue }
            while agents[index].outstanding < slots + ahead, nextClass(for: index) != nil,
                agents[index].pace.room(connecting: agents[index].connecting) > 0
            {
                leaseOne(to: index, &leases)
            }
        }
    }

    /// With nothing queued, unstarted leases of busy agents move to idle ones. An agent starts its leases in order, so
    /// those beyond its slots, the last ones, have not been started.
    private mutating func rebalance(poolSize: Int, _ effects: inout [Effect]) {
        guard queues.allSatisfy(\.isEmpty) else { return }
        for idle in agents.indices {
            let free = freeSlots(of: idle, poolSize: poolSize)
            guard free > 0 else { continue }
            var victim: (index: Int, waiting: Int)?
            for index in agents.indices where index != idle {
                let waiting = -freeSlots(of: index, poolSize: poolSize) - agents[index].revoking
                if waiting > (victim?.waiting ?? 0) { victim = (index, waiting) }
            }
            guard let victim else { return }
            let revoked = revocable(from: victim.index, for: idle, limit: min(free, (victim.waiting + 1) / 2))
            for lease in revoked { entries[lease.entry.index] = .leased(lease, isRevoking: true) }
            agents[victim.index].revoking += revoked.count
            if !revoked.isEmpty { effects.append(.revoke(AgentID(victim.index), revoked)) }
        }
    }

    private func revocable(from victim: Int, for idle: Int, limit: Int) -> [Lease] {
        var found: [Lease] = []
        for entry in agents[victim].leased.reversed() where found.count < limit {
            guard case .leased(let lease, false) = entries[entry.index], lease.agent.index == victim else { continue }
            if plan.agents[idle].reaches[plan.reachClass(of: entry.index)] { found.append(lease) }
        }
        return found
    }
}
