import Scheduling

/// Drives a scheduler by hand and answers with its effects as short words, so that a test reads as a transcript.
///
/// `a0 lease 0 1` · `journal 0` · `grant 0` · `0 ok` · `0 skipped (noAgent)` · `a0 cancel 3` · `start a0` · `end`
struct Transcript {
    var scheduler: Scheduler
    private(set) var seconds = 0.0
    private var leases: [Int: Lease] = [:]

    init(_ plan: SchedulingPlan) { scheduler = Scheduler(plan: plan) }

    /// Agents of one class with so many slots, opened before the run begins.
    init(hosts: Int, agents: Int = 1, slots: Int, change: (inout SchedulingPlan) -> Void = { _ in }) {
        var plan = SchedulingPlan(
            phases: [.init(entries: 0..<hosts, poolSize: slots)],
            agents: (0..<agents).map { _ in .init(isLocal: true) }
        )
        change(&plan)
        self.init(plan)
        for index in 0..<agents { open(index, slots: slots) }
    }

    mutating func handle(_ event: Scheduler.Event) -> [String] {
        var effects: [Scheduler.Effect] = []
        scheduler.handle(event, at: Instant(nanoseconds: Int64(seconds * 1e9)), effects: &effects)
        return effects.compactMap { word(for: $0) }
    }

    mutating func start() -> [String] { handle(.started) }

    @discardableResult
    mutating func open(_ agent: Int, slots: Int, incarnation: UInt64? = nil) -> [String] {
        handle(.agentOpened(AgentID(agent), Incarnation(incarnation ?? UInt64(agent) + 1), slots: slots))
    }

    mutating func wait(_ seconds: Double) { self.seconds += seconds }

    /// The entry's last lease.
    func lease(_ entry: Int) -> Lease { leases[entry]! }

    /// Whether the entry was leased at all.
    func hasLease(_ entry: Int) -> Bool { leases[entry] != nil }

    mutating func claim(_ entry: Int) -> [String] { handle(.hostClaimed(lease(entry))) }
    mutating func journalled(_ entry: Int) -> [String] { handle(.grantsJournalled([lease(entry)])) }
    mutating func finish(_ entry: Int, _ outcome: Outcome) -> [String] { handle(.hostFinished(lease(entry), outcome)) }
    mutating func giveBack(_ entry: Int, _ cause: Scheduler.ReturnCause) -> [String] {
        handle(.hostReturned(lease(entry), cause))
    }

    /// Claim, journal, grant.
    mutating func run(_ entry: Int) -> [String] { claim(entry) + journalled(entry) }

    /// Claim, journal, grant, end.
    mutating func carryOut(_ entry: Int, _ outcome: Outcome = .ok) -> [String] {
        _ = run(entry)
        return finish(entry, outcome)
    }

    private mutating func word(for effect: Scheduler.Effect) -> String? {
        func list(_ leases: [Lease]) -> String { leases.map { String($0.entry.index) }.joined(separator: " ") }
        switch effect {
        case .beginPhase, .setTimer, .ping: return nil
        case .lease(let agent, let leases):
            for lease in leases { self.leases[lease.entry.index] = lease }
            return "a\(agent.index) lease \(list(leases))"
        case .revoke(let agent, let leases): return "a\(agent.index) revoke \(list(leases))"
        case .journalGrant(let lease): return "journal \(lease.entry.index)"
        case .journalWithdrawal(let lease): return "withdraw \(lease.entry.index)"
        case .grant(let lease): return "grant \(lease.entry.index)"
        case .cancel(let agent, let leases): return "a\(agent.index) cancel \(list(leases))"
        case .finish(let entry, let outcome, let cause, _):
            return "\(entry.index) \(outcome.rawValue)" + (cause == .reported ? "" : " (\(name(of: cause)))")
        case .replaceLost(let entry, let outcome, _): return "\(entry.index) late \(outcome.rawValue)"
        case .abandonAgent(let agent): return "abandon a\(agent.index)"
        case .startAgent(let agent): return "start a\(agent.index)"
        case .finishRun: return "end"
        }
    }

    private func name(of cause: Scheduler.FinishCause) -> String {
        if case .agentLost(let agent) = cause { return "lost a\(agent.index)" }
        return "\(cause)"
    }
}
