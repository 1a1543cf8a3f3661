// A run from its beginning to its end: phases, waits, and what stops it early.

extension Scheduler {
    mutating func start(_ effects: inout [Effect]) {
        hasStarted = true
        for index in agents.indices { agents[index].lastHeard = now }
        setHeartbeat(&effects)
        handOverDue = now.advanced(by: plan.policy.lastAgentWait)
        if runningCount > 0 { effects.append(.setTimer(.lastAgent, handOverDue)) }
        if !plan.phases.isEmpty { beginPhase(0, &effects) }
    }

    mutating func beginPhase(_ index: Int, _ effects: inout [Effect]) {
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
    mutating func advance(_ effects: inout [Effect]) {
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

    private func isReached(_ reachClass: Int, by condition: (AgentState) -> Bool) -> Bool {
        for index in agents.indices where plan.agents[index].reaches[reachClass] && condition(agents[index]) {
            return true
        }
        return false
    }

    /// Ends what no agent is left for, at once or after the wait. True when something was ended.
    mutating func watchReach(_ effects: inout [Effect]) -> Bool {
        var hasEnded = false
        for reachClass in queues.indices {
            if queues[reachClass].isEmpty || isReached(reachClass, by: \.isOpen) {
                unreachableSince[reachClass] = nil
                continue
            }
            let deadline = (unreachableSince[reachClass] ?? now).advanced(by: plan.policy.lastAgentWait)
            if deadline <= now || !isReached(reachClass, by: \.isLeft) {
                // The first of them may use up the failure budget, which ends the others.
                for entry in queues[reachClass].removeAll() where entries[entry.index] == .queued {
                    finish(entry, .skipped, .noAgent, nil, &effects)
                }
                hasEnded = true
            } else if unreachableSince[reachClass] == nil {
                unreachableSince[reachClass] = now
                effects.append(.setTimer(.lastAgent, deadline))
            }
        }
        return hasEnded
    }

    // MARK: Stopping

    mutating func interrupt(_ effects: inout [Effect]) {
        interruptCount += 1
        drain(.interrupted, &effects)
        guard interruptCount >= 2 else { return }
        cancelAll(&effects) { state in
            if case .granted(let lease) = state { return lease }
            return nil
        }
    }

    mutating func drain(_ cause: FinishCause, _ effects: inout [Effect]) {
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

    func cancelAll(_ effects: inout [Effect], where select: (EntryState) -> Lease?) {
        var byAgent: [[Lease]] = Array(repeating: [], count: agents.count)
        for state in entries {
            if let lease = select(state) { byAgent[lease.agent.index].append(lease) }
        }
        for (index, leases) in byAgent.enumerated() where !leases.isEmpty {
            effects.append(.cancel(AgentID(index), leases))
        }
    }

    static func outcome(of cause: FinishCause) -> Outcome {
        switch cause {
        case .interrupted: .cancelled
        case .reported, .agentLost, .noAgent, .failures, .journalFailed, .violation, .setbacks, .busy: .skipped
        }
    }
}
