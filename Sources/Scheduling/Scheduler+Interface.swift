extension Scheduler {
    /// Something that has happened. Every message of an agent also counts as ``agentHeard(_:_:)``.
    public enum Event: Equatable, Sendable {
        /// The run begins, once. Only `agentOpened` may come before it.
        case started
        /// An agent is ready for leases: this process of it, with so many slots at most. `holding` is what it still runs
        /// of an earlier coordinator's grants; the results of those that have ended were reported before.
        case agentOpened(AgentID, Incarnation, slots: Int, holding: [Lease] = [])
        /// A word from an agent.
        case agentHeard(AgentID, Incarnation)
        /// An agent's process or link is gone, or it could not be started.
        case agentLost(AgentID)
        /// A worker has authenticated and asks whether it may start.
        case hostClaimed(Lease)
        /// The journal holds these grants durably.
        case grantsJournalled([Lease])
        /// The journal can't be written: nothing more can be granted.
        case journalFailed
        /// A worker reported how its host ended.
        case hostFinished(Lease, Outcome)
        /// An agent gave an entry back that was never started.
        case hostReturned(Lease, ReturnCause)
        /// The user pressed Ctrl-C: the first time drains, the second stops what runs.
        case interrupted
        /// A timer that was set has run out.
        case timerFired(Timer)

        /// The lease that an agent's message is about.
        var lease: Lease? {
            switch self {
            case .hostClaimed(let lease), .hostFinished(let lease, _), .hostReturned(let lease, _): lease
            case .started, .agentOpened, .agentHeard, .agentLost, .grantsJournalled, .journalFailed, .interrupted,
                .timerFired:
                nil
            }
        }
    }

    /// Why an entry came back unstarted.
    public enum ReturnCause: Equatable, Sendable {
        /// It was taken back, by a `revoke`.
        case revoked
        /// Its worker died or gave up before it was granted.
        case setback
        /// The host's server took no more connections for now.
        case busy
    }

    /// Something to do, in the order given.
    public enum Effect: Equatable, Sendable {
        /// A task begins; its index.
        case beginPhase(Int)
        /// Give these entries to the agent; all leases are of one agent.
        case lease(AgentID, [Lease])
        /// Take these back, if they have not been started.
        case revoke(AgentID, [Lease])
        /// Journal a grant durably, then say `grantsJournalled`.
        case journalGrant(Lease)
        /// The journalled grant of this lease was never sent, and never will be.
        case journalWithdrawal(Lease)
        /// Tell the worker that it may start.
        case grant(Lease)
        /// Stop these: not started or running.
        case cancel(AgentID, [Lease])
        /// The entry's one outcome.
        case finish(EntryID, Outcome, FinishCause, Lease?)
        /// A late result takes the place of `lost`.
        case replaceLost(EntryID, Outcome, Lease)
        /// Say something to the agent, so that it answers.
        case ping(AgentID)
        /// Let go of the agent's process and link; what it still says for this incarnation is only a late result.
        case abandonAgent(AgentID)
        /// Start the agent, or call it, once more.
        case startAgent(AgentID)
        /// Say `timerFired` at that time; a timer that is set again has only its new time.
        case setTimer(Timer, Instant)
        /// Every entry has its outcome. The last effect.
        case finishRun
    }

    /// The timers of a run.
    public enum Timer: Hashable, Sendable {
        /// Pings and silence.
        case heartbeat
        /// No agent has been open for too long.
        case lastAgent
        /// An entry whose server was busy may be tried again.
        case retry
    }

    /// Where an outcome comes from.
    public enum FinishCause: Equatable, Sendable {
        /// The worker's own report.
        case reported
        /// The agent went away after the grant.
        case agentLost(AgentID)
        /// No agent that reaches the entry is left.
        case noAgent
        /// Ctrl-C.
        case interrupted
        /// Too many entries were not ok, or one in a sequence or an earlier task.
        case failures
        /// The journal could not be written.
        case journalFailed
        /// The agent reported something that it could not have known without a grant.
        case violation
        /// It came back unstarted too often.
        case setbacks
        /// Its server was busy too often.
        case busy
    }
}
