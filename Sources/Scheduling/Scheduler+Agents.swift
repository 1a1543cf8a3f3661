// Agents come, fall silent, go, and come back.

extension Scheduler {
    mutating func open(_ agent: AgentID, _ incarnation: Incarnation, slots: Int, holding: [Lease]) {
        guard agents[agent.index].status == .opening else { return }
        agents[agent.index].status = .open(incarnation)
        agents[agent.index].slots = max(1, slots)
        agents[agent.index].lastHeard = now
        agents[agent.index].handedOver = holding
    }

    mutating func lose(_ agent: AgentID, _ effects: inout [Effect]) {
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

    /// Granted entries of an earlier coordinator whose agent did not open again in time, or opened without them: as
    /// another process, or because the grant never reached it, or its result reached only the earlier coordinator.
    mutating func settleHandOvers(_ effects: inout [Effect]) {
        for index in agents.indices {
            let isLate = !agents[index].isOpen && now >= handOverDue
            guard agents[index].handedOver != nil || isLate else { continue }
            let holding = agents[index].handedOver ?? []
            agents[index].handedOver = nil
            for entry in agents[index].leased {
                guard let lease = openLease(of: entry, with: AgentID(index)), !holding.contains(lease) else { continue }
                settleLoss(of: lease, &effects)
            }
        }
    }

    /// The lease of an entry when this agent holds it and it has no end.
    func openLease(of entry: EntryID, with agent: AgentID) -> Lease? {
        switch entries[entry.index] {
        case .leased(let lease, _), .claimed(let lease), .granted(let lease): lease.agent == agent ? lease : nil
        case .queued, .finished: nil
        }
    }

    mutating func settleLoss(of lease: Lease, _ effects: inout [Effect]) {
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

    mutating func setHeartbeat(_ effects: inout [Effect]) {
        heartbeatDue = now.advanced(by: plan.policy.heartbeat)
        effects.append(.setTimer(.heartbeat, heartbeatDue))
    }

    mutating func beat(_ effects: inout [Effect]) {
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
}
