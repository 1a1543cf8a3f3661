/// How many hosts an agent may be connecting to at once, learned from servers that turn connections away (`MaxStartups` of
/// sshd, the limit of dropbear for one source address): halved when they do, one more for each round that went well, no
/// limit again once all slots fit.
struct ConnectPace: Sendable {
    /// Refusals of one burst count once: those that were on their way say nothing new.
    private static let burst = Duration.milliseconds(100)

    /// nil: no limit.
    private var window: Double?
    private var lastCut: Instant?

    /// How many more may connect.
    func room(connecting: Int) -> Int {
        guard let window else { return .max }
        return max(0, Int(window) - connecting)
    }

    /// A worker got through.
    mutating func connected(slots: Int) {
        guard let limit = window else { return }
        let wider = limit + 1 / limit
        window = wider >= Double(slots) ? nil : wider
    }

    /// A server turned a worker away while so many were connecting, that one among them.
    mutating func turnedAway(connecting: Int, at now: Instant) {
        if let lastCut, now.duration(since: lastCut) < Self.burst { return }
        lastCut = now
        window = max(1, min(window ?? .infinity, Double(connecting)) / 2)
    }

    /// How long an entry waits before its next try: doubled with each, up to a limit, and spread so that hosts that were
    /// turned away together don't come back together. The spread is a hash (SplitMix64) of entry and try: the core has
    /// no randomness.
    static func delay(entry: EntryID, tries: Int, policy: SchedulingPlan.Policy) -> Duration {
        let doubled = policy.busyDelay * (1 << min(tries - 1, 20))
        var hash = UInt64(entry.index) &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(tries)
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        let spread = Double((hash ^ (hash >> 31)) >> 11) / Double(1 << 53)
        return min(doubled, policy.busyDelayLimit) * (0.5 + spread)
    }
}
