import Scheduling

/// What a world is made of: drawn from its seed, or given for a measurement.
struct Scenario {
    /// How one host behaves when a worker comes.
    enum Host: Equatable {
        case ends(Outcome, connect: Double, run: Double)
        /// Never started: unreachable or refused.
        case neverStarts(Outcome, connect: Double)
        /// Its server is over its limit so many times, then it ends well.
        case busy(times: Int, run: Double)
        /// Says nothing for ever, before or after the grant; its worker has to be killed.
        case hangs(connects: Bool)
        /// Its worker dies, before or after the grant; the second one does not.
        case workerDies(connects: Bool)
    }

    struct Agent {
        var isLocal = true
        var reaches = [true]
        var slots: Int
    }

    enum Fault: Equatable {
        case crashAgent(Int)
        case stopAgent(Int, seconds: Double)
        case killPool(Int)
        case cutLink(Int, seconds: Double)
        case crashCoordinator(backAfter: Double)
        case fillDisk
        case interrupt
    }

    var hosts: [Host] = []
    var phases: [SchedulingPlan.Phase] = []
    var agents: [Agent] = []
    var reachClasses: [UInt16] = []
    var faults: [(at: Double, fault: Fault)] = []
    /// Seconds that a packet is under way.
    var delay: ClosedRange<Double> = 0.0001...0.0004
    var dropChance = 0.0
    var repeatChance = 0.0
    /// Packets overtake each other; otherwise a link keeps its order, as TCP does.
    var reorders = false
    /// Seconds from a journal job to its commit.
    var commit: ClosedRange<Double> = 0.0005...0.002
    /// Seconds between an agent's looks at its deadlines.
    var tick = 0.5
    /// -T; nil: none.
    var taskLimit: Double?
    /// More workers connecting at once than this are turned away; nil: no limit.
    var startupLimit: Int?

    /// Draws a world with faults.
    static func random(seed: UInt64) -> Scenario {
        var random = SplitMix64(seed: seed)
        var scenario = Scenario()
        let count = random.number(1...60)
        let classes = random.chance(0.3) ? 2 : 1
        let agentCount = random.number(1...6)
        for index in 0..<agentCount {
            var reaches = (0..<classes).map { _ in classes == 1 || random.chance(0.7) }
            if index < classes { reaches[index] = true }
            scenario.agents.append(
                Agent(isLocal: random.chance(0.5), reaches: reaches, slots: random.number(1...8))
            )
        }
        if agentCount < classes { scenario.agents[0].reaches = [true, true] }
        for _ in 0..<count {
            scenario.hosts.append(host(&random))
            scenario.reachClasses.append(UInt16(random.number(0...(classes - 1))))
        }
        scenario.phases = phases(count, &random)
        scenario.delay = random.chance(0.7) ? 0.0002...0.002 : 0.001...0.2
        if random.chance(0.4) { scenario.dropChance = random.unit() * 0.1 }
        if random.chance(0.4) { scenario.repeatChance = random.unit() * 0.2 }
        scenario.reorders = random.chance(0.4)
        if random.chance(0.3) { scenario.commit = 0.01...0.5 }
        if random.chance(0.3) { scenario.taskLimit = 20 }
        if random.chance(0.2) { scenario.startupLimit = random.number(1...6) }
        if random.chance(0.75) {
            for _ in 0..<random.number(1...4) { scenario.faults.append(fault(agentCount, &random)) }
        }
        return scenario
    }

    private static func host(_ random: inout SplitMix64) -> Host {
        let connect = random.seconds(0.01...0.3)
        let run = random.chance(0.9) ? random.seconds(0.1...4) : random.seconds(10...40)
        switch random.number(0...99) {
        case 0..<80: return .ends(.ok, connect: connect, run: run)
        case 80..<85: return .ends(.failed, connect: connect, run: run)
        case 85..<87: return .ends(.signalled, connect: connect, run: run)
        case 87..<90: return .neverStarts(.unreachable, connect: connect)
        case 90..<92: return .neverStarts(.refused, connect: connect)
        case 92..<95: return .busy(times: random.number(1...3), run: run)
        case 95: return .busy(times: 1000, run: run)
        case 96: return .hangs(connects: random.chance(0.5))
        default: return .workerDies(connects: random.chance(0.5))
        }
    }

    private static func phases(_ count: Int, _ random: inout SplitMix64) -> [SchedulingPlan.Phase] {
        let cut = count > 1 && random.chance(0.25) ? random.number(1...(count - 1)) : count
        return [0..<cut, cut..<count].filter { !$0.isEmpty }.map { entries in
            let isSequential = random.chance(0.1)
            let keepsGoing = random.chance(0.6)
            return SchedulingPlan.Phase(
                entries: entries,
                isSequential: isSequential,
                poolSize: isSequential ? 1 : random.number(1...6),
                isIdempotent: random.chance(0.15),
                failureBudget: keepsGoing ? nil : isSequential ? 0 : random.number(0...5),
                continuesAfterFailure: keepsGoing
            )
        }
    }

    private static func fault(_ agents: Int, _ random: inout SplitMix64) -> (at: Double, fault: Fault) {
        let at = random.seconds(0...12)
        let agent = random.number(0...(agents - 1))
        let fault: Fault =
            switch random.number(0...99) {
            case 0..<25: .crashAgent(agent)
            case 25..<40: .stopAgent(agent, seconds: random.seconds(1...70))
            case 40..<50: .killPool(agent)
            case 50..<68: .cutLink(agent, seconds: random.seconds(0.1...25))
            case 68..<80: .crashCoordinator(backAfter: random.seconds(0.1...30))
            case 80..<85: .fillDisk
            default: .interrupt
            }
        return (at, fault)
    }
}
