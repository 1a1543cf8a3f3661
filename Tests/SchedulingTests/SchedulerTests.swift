import Scheduling
import Testing

@Suite struct SchedulerTests {
    @Test func theFirstWaveIsSpreadOverAllAgents() {
        var run = Transcript(hosts: 53, agents: 4, slots: 20)
        let sizes = run.start().map { $0.split(separator: " ").count - 2 }
        #expect(sizes == [14, 13, 13, 13])
    }

    @Test func aHostIsClaimedThenJournalledThenGranted() {
        var run = Transcript(hosts: 1, slots: 1)
        #expect(run.start() == ["a0 lease 0"])
        #expect(run.claim(0) == ["journal 0"])
        #expect(run.claim(0) == [], "a repeated claim")
        #expect(run.journalled(0) == ["grant 0"])
        #expect(run.journalled(0) == [], "a repeated commit")
        #expect(run.finish(0, .ok) == ["0 ok", "end"])
        #expect(run.finish(0, .failed) == [], "a repeated result")
    }

    @Test func theBubbleMovesAlongTheList() {
        var run = Transcript(hosts: 4, slots: 2)
        #expect(run.start() == ["a0 lease 0 1"])
        #expect(run.carryOut(1) == ["1 ok", "a0 lease 2"])
        #expect(run.carryOut(0, .failed) == ["0 failed", "a0 lease 3"])
        #expect(run.carryOut(3) == ["3 ok"])
        #expect(run.carryOut(2) == ["2 ok", "end"])
    }

    private func sequential(_ hosts: Int, budget: Int?) -> Transcript {
        Transcript(hosts: hosts, agents: 2, slots: 5) { plan in
            plan.phases[0].isSequential = true
            plan.phases[0].failureBudget = budget
        }
    }

    @Test func aSequenceIsOneHostAtATimeOverAllAgents() {
        var run = sequential(3, budget: 0)
        #expect(run.start() == ["a0 lease 0"])
        #expect(run.carryOut(0) == ["0 ok", "a0 lease 1"])
        #expect(run.carryOut(1, .failed) == ["1 failed", "2 skipped (failures)", "end"])
    }

    @Test func aSequenceGoesOnWhenFailuresDoNotCount() {
        var run = sequential(2, budget: nil)
        _ = run.start()
        #expect(run.carryOut(0, .failed) == ["0 failed", "a0 lease 1"])
        #expect(run.carryOut(1) == ["1 ok", "end"])
    }

    @Test(arguments: [(false, ["0 failed", "1 skipped (failures)", "end"]), (true, ["0 failed", "a0 lease 1"])])
    func aLaterTaskStartsOnlyAfterAGoodOne(_ goesOn: Bool, _ expected: [String]) {
        var run = Transcript(hosts: 2, slots: 1) { plan in
            plan.phases = [
                .init(entries: 0..<1, poolSize: 1, continuesAfterFailure: goesOn), .init(entries: 1..<2, poolSize: 1),
            ]
        }
        _ = run.start()
        #expect(run.carryOut(0, .failed) == expected)
    }

    @Test func aLostAgentsHostsGoWhereTheyMust() {
        var run = Transcript(hosts: 3, agents: 2, slots: 3) { $0.agents[1].reaches = [false] }
        #expect(run.start() == ["a0 lease 0 1 2"])
        _ = run.run(0)
        _ = run.claim(1)
        let effects = run.handle(.agentLost(AgentID(0)))
        #expect(effects == ["abandon a0", "start a0", "0 lost (lost a0)", "withdraw 1"])
        #expect(run.journalled(1) == [], "a commit that comes late grants nothing")
        #expect(run.open(0, slots: 3, incarnation: 9) == ["a0 lease 1 2"])
    }

    @Test func anIdempotentHostRunsAgain() {
        var run = Transcript(hosts: 1, slots: 1) { $0.phases[0].isIdempotent = true }
        _ = run.start()
        _ = run.run(0)
        #expect(run.handle(.agentLost(AgentID(0))) == ["abandon a0", "start a0"])
        #expect(run.open(0, slots: 1, incarnation: 2) == ["a0 lease 0"])
        #expect(run.carryOut(0) == ["0 ok", "end"])
    }

    @Test func aLateResultTakesThePlaceOfLostOnce() {
        var run = Transcript(hosts: 2, slots: 2) { $0.agents[0].isLocal = false }
        _ = run.start()
        _ = run.run(0)
        _ = run.handle(.agentLost(AgentID(0)))
        #expect(run.finish(0, .ok) == ["0 late ok"])
        #expect(run.finish(0, .failed) == [])
        #expect(run.scheduler.outcomeCounts[.lost] == 0 && run.scheduler.outcomeCounts[.ok] == 1)
    }

    @Test(arguments: [Outcome.ok, .failed, .signalled, .timedOut, .lost])
    func anEndThatNeedsAGrantIsLostWithoutOne(_ outcome: Outcome) {
        var run = Transcript(hosts: 1, slots: 1)
        _ = run.start()
        #expect(run.finish(0, outcome) == ["0 lost (violation)", "end"])
    }

    @Test func ctrlCOnceDrainsAndTwiceStops() {
        var run = Transcript(hosts: 4, slots: 2)
        _ = run.start()
        _ = run.run(0)
        #expect(run.handle(.interrupted) == ["2 cancelled (interrupted)", "3 cancelled (interrupted)", "a0 cancel 1"])
        #expect(run.claim(1) == [], "nothing is granted any more")
        #expect(run.handle(.interrupted) == ["a0 cancel 0"])
        #expect(run.finish(1, .cancelled) == ["1 cancelled (interrupted)"])
        #expect(run.finish(0, .cancelled) == ["0 cancelled", "end"])
    }

    @Test func withoutAJournalNothingIsGranted() {
        var run = Transcript(hosts: 3, slots: 2)
        _ = run.start()
        _ = run.run(0)
        _ = run.claim(1)
        #expect(run.handle(.journalFailed) == ["2 skipped (journalFailed)", "a0 cancel 1"])
        #expect(run.journalled(1) == [])
        #expect(run.finish(1, .cancelled) == ["1 skipped (journalFailed)"])
        #expect(run.finish(0, .ok) == ["0 ok", "end"])
    }

    @Test func aHostThatKeepsComingBackIsGivenUp() {
        var run = Transcript(hosts: 1, slots: 1)
        _ = run.start()
        for _ in 0..<3 { #expect(run.giveBack(0, .setback) == ["a0 lease 0"]) }
        #expect(run.giveBack(0, .setback) == ["0 unreachable (setbacks)", "end"])
    }

    @Test func aBusyServerIsTriedAgainLaterAndLeavesOthersTheSlots() {
        var run = Transcript(hosts: 3, slots: 2)
        #expect(run.start() == ["a0 lease 0 1"])
        #expect(run.giveBack(0, .busy) == [], "of two that connected at once only one may now")
        #expect(run.run(1) == ["journal 1", "a0 lease 2", "grant 1"])
        run.wait(1)
        #expect(run.carryOut(2) == ["2 ok", "a0 lease 0"])
        for _ in 0..<11 {
            _ = run.giveBack(0, .busy)
            run.wait(10)
            #expect(run.handle(.timerFired(.retry)) == ["a0 lease 0"])
        }
        #expect(run.giveBack(0, .busy) == ["0 unreachable (busy)"])
    }

    @Test func aLocalAgentIsStartedAgainThreeTimes() {
        var run = Transcript(hosts: 1, slots: 1)
        _ = run.start()
        for incarnation in UInt64(2)...4 {
            #expect(run.handle(.agentLost(AgentID(0))) == ["abandon a0", "start a0"])
            #expect(run.open(0, slots: 1, incarnation: incarnation) == ["a0 lease 0"])
        }
        #expect(run.handle(.agentLost(AgentID(0))) == ["abandon a0", "0 unreachable (setbacks)", "end"])
    }

    @Test func withoutAnyAgentTheRestIsSkippedAfterAMinute() {
        var run = Transcript(hosts: 2, slots: 1) { $0.agents[0].isLocal = false }
        _ = run.start()
        _ = run.carryOut(0)
        #expect(run.handle(.agentLost(AgentID(0))) == ["abandon a0", "start a0"])
        run.wait(59)
        #expect(run.handle(.timerFired(.lastAgent)) == [])
        run.wait(2)
        #expect(run.handle(.timerFired(.lastAgent)) == ["1 skipped (noAgent)", "end"])
    }

    @Test func hostsGoOnlyWhereTheyAreReached() {
        var run = Transcript(hosts: 4, agents: 2, slots: 1) { plan in
            plan.reachClasses = [0, 1, 1, 0]
            plan.agents = [
                .init(isLocal: true, reaches: [true, false]), .init(isLocal: true, reaches: [false, true]),
            ]
        }
        #expect(run.start() == ["a0 lease 0", "a1 lease 1"])
        #expect(run.carryOut(1) == ["1 ok", "a1 lease 2"])
        #expect(run.handle(.agentLost(AgentID(1))) == ["abandon a1", "start a1"])
        #expect(run.carryOut(0) == ["0 ok", "a0 lease 3"])
        #expect(run.open(1, slots: 1, incarnation: 9) == ["a1 lease 2"])
    }

    @Test func unstartedLeasesMoveToAnIdleAgent() {
        var run = Transcript(hosts: 20, agents: 2, slots: 1)
        // Each agent is given two ahead.
        #expect(run.start() == ["a0 lease 0 2 3", "a1 lease 1 4 5"])
        var next = 0
        var log: [String] = []
        // Agent 0 finishes everything that it gets; agent 1 is stuck with its first host.
        while run.scheduler.unfinishedCount > 1, next < 100 {
            next += 1
            let load = run.scheduler.load(of: AgentID(0))
            if load.outstanding == 0 { break }
            for entry in 0..<20 where run.scheduler.outcome(of: EntryID(entry)) == nil && run.holds(entry, 0) {
                log += run.carryOut(entry)
                break
            }
        }
        #expect(log.contains("a1 revoke 5") || log.contains("a1 revoke 4"), "\(log)")
        let revoked = log.contains("a1 revoke 5") ? 5 : 4
        #expect(run.giveBack(revoked, .revoked).contains("a0 lease \(revoked)"))
    }

    @Test func whatIsNotOfThisRunIsIgnored() {
        var run = Transcript(hosts: 1, slots: 1)
        _ = run.start()
        let lease = run.lease(0)
        let foreign = [
            Lease(entry: EntryID(9), attempt: lease.attempt, agent: lease.agent, incarnation: lease.incarnation),
            Lease(entry: EntryID(-1), attempt: lease.attempt, agent: lease.agent, incarnation: lease.incarnation),
            Lease(entry: lease.entry, attempt: Attempt(7), agent: lease.agent, incarnation: lease.incarnation),
            Lease(entry: lease.entry, attempt: lease.attempt, agent: AgentID(4), incarnation: lease.incarnation),
            Lease(entry: lease.entry, attempt: lease.attempt, agent: lease.agent, incarnation: Incarnation(66)),
        ]
        for lease in foreign {
            #expect(run.handle(.hostClaimed(lease)) == [])
            #expect(run.handle(.hostFinished(lease, .ok)) == [])
            #expect(run.handle(.hostReturned(lease, .setback)) == [])
            #expect(!run.scheduler.takesOutput(of: lease))
        }
        #expect(run.carryOut(0) == ["0 ok", "end"])
    }

    @Test func aSilentAgentIsLostAndAStoppedCoordinatorLosesNone() {
        var run = Transcript(hosts: 2, agents: 2, slots: 1)
        _ = run.start()
        for _ in 0..<7 {
            run.wait(2)
            #expect(run.handle(.agentHeard(AgentID(0), Incarnation(1))) == [])
            #expect(run.handle(.timerFired(.heartbeat)) == [])
        }
        run.wait(2)
        _ = run.handle(.agentHeard(AgentID(0), Incarnation(1)))
        #expect(run.handle(.timerFired(.heartbeat)) == ["abandon a1", "start a1"])
        // This process itself was stopped for an hour: the answers are still to be read.
        run.wait(3600)
        #expect(run.handle(.timerFired(.heartbeat)) == [])
    }

    @Test func aRunThatIsTakenUpKeepsWhatIsKnown() {
        var plan = SchedulingPlan(phases: [.init(entries: 0..<4, poolSize: 4)], agents: [.init(isLocal: false)])
        plan.policy.lastAgentWait = .seconds(60)
        func lease(_ entry: Int) -> Lease {
            Lease(entry: EntryID(entry), attempt: Attempt(1), agent: AgentID(0), incarnation: Incarnation(5))
        }
        let records: [SchedulingPlan.Record] = [
            .init(.finished(.ok), attempts: 1), .init(.granted(lease(1)), attempts: 1),
            .init(.granted(lease(2)), attempts: 1), .init(.unstarted, attempts: 1 << 16),
        ]
        var run = Transcript(plan)
        run.scheduler = Scheduler(plan: plan, resuming: records)
        #expect(run.start() == [])
        let opened = Scheduler.Event.agentOpened(AgentID(0), Incarnation(5), slots: 4, holding: [lease(1)])
        #expect(run.handle(opened) == ["2 lost (lost a0)", "a0 lease 3"])
        #expect(run.lease(3).attempt == Attempt(1 << 16 + 1))
        #expect(run.handle(.hostFinished(lease(1), .ok)) == ["1 ok"])
        #expect(run.carryOut(3) == ["3 ok", "end"])
        #expect(run.scheduler.outcomeCounts == [.ok: 3, .lost: 1])
    }
}

extension Transcript {
    /// Whether the entry's last lease is this agent's.
    func holds(_ entry: Int, _ agent: Int) -> Bool { hasLease(entry) && lease(entry).agent == AgentID(agent) }
}
