// What happens to one entry: claims, grants, results, returns. Every event for an entry names its lease; one that is not
// the entry's current lease changes nothing.

extension Scheduler {
    mutating func claim(_ lease: Lease, _ effects: inout [Effect]) {
        guard case .leased(lease, let isRevoking) = entries[lease.entry.index] else { return }
        if isRevoking { agents[lease.agent.index].revoking -= 1 }
        agents[lease.agent.index].connecting -= 1
        agents[lease.agent.index].pace.connected(slots: agents[lease.agent.index].slots)
        entries[lease.entry.index] = .claimed(lease)
        // While draining it has been told to stop already, and its end will be reported.
        if status == .running { effects.append(.journalGrant(lease)) }
    }

    mutating func grant(_ lease: Lease, _ effects: inout [Effect]) {
        guard case .claimed(lease) = entries[lease.entry.index], status == .running else { return }
        entries[lease.entry.index] = .granted(lease)
        runningCount += 1
        effects.append(.grant(lease))
    }

    mutating func report(_ lease: Lease, _ outcome: Outcome, _ effects: inout [Effect]) {
        switch entries[lease.entry.index] {
        case .leased(lease, _), .claimed(lease):
            if outcome.needsGrant {
                finish(lease.entry, .lost, .violation, lease, &effects)
            } else if outcome == .cancelled, case .draining(let cause) = status {
                finish(lease.entry, Self.outcome(of: cause), cause, lease, &effects)
            } else if outcome == .cancelled {
                // Nobody here asked for it: its agent is being ended.
                takeBack(lease, .setback, &effects)
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

    mutating func takeBack(_ lease: Lease, _ cause: ReturnCause, _ effects: inout [Effect]) {
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

    mutating func putBackOrEnd(_ lease: Lease, counts: Bool, _ effects: inout [Effect]) {
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
    mutating func delay(_ lease: Lease, _ effects: inout [Effect]) {
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
    mutating func requeueDelayed(_ effects: inout [Effect]) {
        let count = delayed.prefix { $0.due <= now }.count
        for (_, entry) in delayed.prefix(count) { putBack(entry) }
        delayed.removeFirst(count)
        if let next = delayed.first, retryDue != next.due { effects.append(.setTimer(.retry, next.due)) }
        retryDue = delayed.first?.due
    }

    mutating func putBack(_ entry: EntryID) {
        entries[entry.index] = .queued
        queues[plan.reachClass(of: entry.index)].putBack(entry)
    }

    /// An entry leaves the agent that it was leased to.
    mutating func release(_ entry: EntryID) {
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

    mutating func finish(
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
}
