// Which entry goes to which agent: leases by pull, a few ahead, and back again when others idle.

extension Scheduler {
    mutating func dispatch(_ effects: inout [Effect]) {
        guard status == .running, currentPhase < plan.phases.count else { return }
        let poolSize = plan.phases[currentPhase].poolSize
        var leases: [Lease] = []
        if plan.phases[currentPhase].isSequential {
            let isBusy = agents.contains { $0.outstanding > 0 }
            // One that waits for another try comes before those behind it.
            if !isBusy, delayed.isEmpty, let agent = nextSequentialAgent() { leaseOne(to: agent, &leases) }
        } else if queues.allSatisfy(\.isEmpty) {
            rebalance(poolSize: poolSize, &effects)
        } else {
            while let agent = freest(poolSize: poolSize) { leaseOne(to: agent, &leases) }
            prefetch(poolSize: poolSize, &leases)
        }
        // One effect for each agent, in the order of the agents.
        guard let first = leases.first else { return }
        if leases.count == 1 { return effects.append(.lease(first.agent, leases)) }
        for agent in agents.indices.map(AgentID.init) {
            let batch = leases.filter { $0.agent == agent }
            if !batch.isEmpty { effects.append(.lease(agent, batch)) }
        }
    }

    /// The agent for the first queued entry of all; none when no open agent reaches it yet.
    func nextSequentialAgent() -> Int? {
        var next: (entry: EntryID, reachClass: Int)?
        for (index, queue) in queues.enumerated() {
            guard let first = queue.first else { continue }
            if next == nil || first < next!.entry { next = (first, index) }
        }
        guard let next else { return nil }
        return agents.indices.first { agents[$0].isOpen && plan.agents[$0].reaches[next.reachClass] }
    }

    /// The open agent with the most free slots among those for which something is queued; the first of equals.
    func freest(poolSize: Int) -> Int? {
        var best: (index: Int, free: Int)?
        for index in agents.indices {
            let free = freeSlots(of: index, poolSize: poolSize)
            if free > 0, free > (best?.free ?? 0), nextClass(for: index) != nil { best = (index, free) }
        }
        return best?.index
    }

    func freeSlots(of index: Int, poolSize: Int) -> Int {
        guard agents[index].isOpen else { return 0 }
        let free = min(agents[index].slots, poolSize) - agents[index].outstanding
        return min(free, agents[index].pace.room(connecting: agents[index].connecting))
    }

    /// The reach class whose first entry is the next for this agent.
    func nextClass(for agent: Int) -> Int? {
        var best: (reachClass: Int, entry: EntryID)?
        for (index, queue) in queues.enumerated() where plan.agents[agent].reaches[index] {
            guard let first = queue.first else { continue }
            if best == nil || first < best!.entry { best = (index, first) }
        }
        return best?.reachClass
    }

    mutating func leaseOne(to agent: Int, _ leases: inout [Lease]) {
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
        leases.append(lease)
    }

    /// A few leases ahead of the slots hide the round trip. The fewer are queued the fewer are given out ahead, so that
    /// at the end no host waits behind a slow one while another agent idles.
    mutating func prefetch(poolSize: Int, _ leases: inout [Lease]) {
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
    mutating func rebalance(poolSize: Int, _ effects: inout [Effect]) {
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

    func revocable(from victim: Int, for idle: Int, limit: Int) -> [Lease] {
        var found: [Lease] = []
        for entry in agents[victim].leased.reversed() where found.count < limit {
            guard case .leased(let lease, false) = entries[entry.index], lease.agent.index == victim else { continue }
            if plan.agents[idle].reaches[plan.reachClass(of: entry.index)] { found.append(lease) }
        }
        return found
    }
}
