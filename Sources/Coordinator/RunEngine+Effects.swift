import Foundation
import SSHConfig
import Scheduling
import WireProtocol

extension RunEngine {
    /// Gives an event to the scheduler and carries out what it decides, in order.
    func handle(_ event: Scheduler.Event) throws {
        var effects: [Scheduler.Effect] = []
        scheduler.handle(event, at: BootClock.now, effects: &effects)
        var granted: [AgentID: [WireEntryAttempt]] = [:]
        for effect in effects {
            if case .grant(let lease) = effect {
                granted[lease.agent, default: []].append(lease.wire)
            } else {
                try perform(effect)
            }
        }
        for (agent, entries) in granted.sorted(by: { $0.key < $1.key }) {
            send(.grant(.with { $0.entries = entries }), to: agent)
        }
    }

    private func perform(_ effect: Scheduler.Effect) throws {
        switch effect {
        case .beginPhase: phaseStart = BootClock.now
        case .lease(let agent, let leases): lease(leases, to: agent)
        case .revoke(let agent, let leases):
            send(.revoke(.with { $0.entries = leases.map(\.wire) }), to: agent)
        case .journalGrant(let lease): recorder.submit(.grant(lease))
        case .journalWithdrawal(let lease): recorder.submit(.withdraw(lease))
        case .grant: preconditionFailure("grants are sent together")
        case .cancel(let agent, let leases):
            send(.cancel(.with { $0.entries = leases.map(\.wire) }), to: agent)
        case .finish(let entry, let outcome, let cause, let lease):
            record(entry, outcome, cause, lease)
        case .replaceLost(let entry, let outcome, let lease): record(entry, outcome, .reported, lease)
        case .ping(let agent): try agents[agent.index].connection?.ping()
        case .abandonAgent(let agent): abandon(agent)
        case .startAgent(let agent): try restart(agent)
        case .setTimer(let timer, let time):
            timers.removeAll { $0.timer == timer }
            timers.append((timer, time))
        case .finishRun: hasFinished = true
        }
    }

    private func restart(_ agent: AgentID) throws {
        do {
            try start(agent)
        } catch {
            show(presenter.notice(.message("agent \(agents[agent.index].name): \(error)", isWarning: true)))
            try handle(.agentLost(agent))
        }
    }

    private func send(_ body: WireToAgent.OneOf_Body, to agent: AgentID) {
        agents[agent.index].connection?.send(body)
    }

    private func lease(_ leases: [Lease], to agent: AgentID) {
        for start in stride(from: 0, to: leases.count, by: LinkLimit.leaseBatch) {
            let batch = leases[start..<min(start + LinkLimit.leaseBatch, leases.count)]
            send(.lease(.with { $0.hosts = batch.map(hostLease) }), to: agent)
        }
    }

    private func hostLease(_ lease: Lease) -> WireHostLease {
        let entry = plan.entries[lease.entry.index]
        let task = plan.tasks[entry.task]
        return .with {
            $0.entry = UInt32(lease.entry.index)
            $0.attempt = lease.attempt.number
            $0.task = UInt32(entry.task)
            $0.host = entry.host.text
            $0.endpoint = resolver.endpoint(of: entry.host)
            $0.index = UInt32(lease.entry.index - task.entries.lowerBound)
            $0.total = UInt32(task.entries.count)
        }
    }

    // MARK: Outcomes

    private func record(_ entry: EntryID, _ outcome: Outcome, _ cause: Scheduler.FinishCause, _ lease: Lease?) {
        let planned = plan.entries[entry.index]
        var result = HostResult(
            entry: entry.index,
            host: planned.host,
            task: plan.tasks[planned.task].name,
            agent: lease.map { agents[$0.agent.index].name },
            outcome: outcome
        )
        switch cause {
        case .reported:
            if let wire = reported[entry.index] {
                result.take(wire)
                if wire.hasNewHostKey { writeDown(wire.newHostKey, of: entry) }
            }
        case .agentLost(let agent):
            result.message = "agent \(agents[agent.index].name) went away while the task ran: it may have finished"
            result.stage = WireStage.run.name
            result.possiblyRunning = true
            result.outputIncomplete = true
        case .noAgent: result.message = "not started: no agent was left"
        case .interrupted: result.message = "not started: cancelled by Ctrl-C"
        case .failures: result.message = "not started: the run stopped because of hosts that were not ok"
        case .journalFailed:
            result.message = "not started: what happens can't be written down: \(journalFailure ?? "no reason known")"
        case .violation:
            result.message = "its agent reported an end that needs a grant, and there was none"
            result.possiblyRunning = true
        case .setbacks:
            let tries = configuration.policy.setbackLimit + 1
            let reason = returnReasons[entry.index] ?? "its agents went away"
            result.message = "not started, tried \(tries) times: \(reason)"
            result.stage = WireStage.grant.name
        case .busy:
            let tries = configuration.policy.busyLimit + 1
            result.message =
                "its server took no connection, tried \(tries) times: \(returnReasons[entry.index] ?? "closed")"
            result.stage = WireStage.handshake.name
        }
        returnReasons[entry.index] = nil
        // What the stages did not take was spent in the queue.
        if lease != nil {
            let elapsed = Double(BootClock.now.nanoseconds - phaseStart.nanoseconds) / 1e9
            result.seconds.queue = max(0, elapsed - result.seconds.total)
        }
        results[entry.index] = result
        recorder.submit(.finish(result, wantsOutput: presenter.wantsKeptOutput))
    }

    /// The coordinator alone writes known_hosts files, and only for hosts that had no key.
    private func writeDown(_ key: WireHostKey, of entry: EntryID) {
        let host = plan.entries[entry.index].host
        let endpoint = resolver.endpoint(of: host)
        // A worker talks to a hostile host: what it says counts only where a new key was to be accepted.
        guard endpoint.hostKeyPolicy == .acceptNew, endpoint.knownKeys.isEmpty, Self.isKeyType(key.type),
            let file = resolver.newHostKeyFile(for: host)
        else { return }
        let known = KnownHostKey(type: key.type, blob: Array(key.blob), file: file, line: 0)
        recorder.submit(
            .newHostKey(NewKnownHost(host: host.name, port: resolver.port(of: host), key: known), file: file)
        )
    }

    /// The characters of a key type (RFC 4251, section 6): nothing that could begin another line or field.
    private static func isKeyType(_ type: String) -> Bool {
        !type.isEmpty && type.utf8.count <= 64
            && type.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                    UInt8(ascii: "."), UInt8(ascii: "@"):
                    true
                default: false
                }
            }
    }

    /// For an entry that has no result: can't happen, and is said plainly if it does.
    func lostResult(of index: Int) -> HostResult {
        let planned = plan.entries[index]
        var result = HostResult(
            entry: index,
            host: planned.host,
            task: plan.tasks[planned.task].name,
            agent: nil,
            outcome: .lost
        )
        result.message = "the coordinator lost sight of it; this is a mistake of coord's"
        return result
    }
}

extension Lease {
    var wire: WireEntryAttempt {
        .with {
            $0.entry = UInt32(entry.index)
            $0.attempt = attempt.number
        }
    }
}
