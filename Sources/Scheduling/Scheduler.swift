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
    public internal(set) var outcomeCounts: [Outcome: Int] = [:]
    /// How many entries have none yet.
    public internal(set) var unfinishedCount: Int
    /// How many entries were granted and have not ended.
    public internal(set) var runningCount = 0
    /// The task that runs now; the count of tasks when all are done.
    public internal(set) var currentPhase = 0
    /// How the run is going.
    public internal(set) var status = Status.running

    var entries: [EntryState]
    var attempts: [UInt32]
    var setbacks: [UInt8]
    var busyCounts: [UInt8]
    /// Entries that wait for another try, the next one first.
    var delayed: [(due: Instant, entry: EntryID)] = []
    var agents: [AgentState]
    var queues: [EntryQueue]
    var unfinishedInPhase = 0
    var failuresInPhase = 0
    var interruptCount = 0
    var heartbeatDue = Instant(nanoseconds: 0)
    var now = Instant(nanoseconds: 0)
    var hasStarted = false
    var retryDue: Instant?
    /// Until when agents of an earlier coordinator may open again with what they hold.
    var handOverDue = Instant(nanoseconds: 0)
    /// For each reach class: since when something is queued that no open agent reaches.
    var unreachableSince: [Instant?]

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
        /// It has just opened and is the holder of leases of an earlier coordinator: those that it still runs.
        var handedOver: [Lease]?

        var isLeft: Bool { status != .gone }
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
        case .agentOpened(let agent, let incarnation, let slots, let holding):
            open(agent, incarnation, slots: slots, holding: holding)
        case .agentHeard(let agent, let incarnation):
            // The most frequent event changes nothing else.
            if agents[agent.index].status == .open(incarnation) { agents[agent.index].lastHeard = now }
            return
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
    func isKnown(_ lease: Lease) -> Bool {
        entries.indices.contains(lease.entry.index) && agents.indices.contains(lease.agent.index)
    }
}
