import Foundation
import Scheduling
import Testing

/// How close the bubble across agents comes to one pool without agents, and what a static split would cost.
@Suite struct MakespanTests {
    enum Durations: String, CaseIterable {
        case constant
        case uniform
        case pareto
        case bimodal

        func draw(_ random: inout SplitMix64) -> Double {
            switch self {
            case .constant: 10
            case .uniform: random.seconds(1...19)
            // Pareto with exponent 1.2: most are short, a few very long.
            case .pareto: 2 / pow(1 - random.unit(), 1 / 1.2)
            case .bimodal: random.chance(0.9) ? 5 : 55
            }
        }
    }

    private static let poolSize = 10
    private static let rounds = 6

    /// The next host in the list goes to the slot that is free first.
    private func listScheduling(_ durations: some Sequence<Double>, slots: Int) -> Double {
        var free = Array(repeating: 0.0, count: slots)
        for duration in durations {
            let slot = free.indices.min { free[$0] < free[$1] } ?? 0
            free[slot] += duration
        }
        return free.max() ?? 0
    }

    private func simulated(_ durations: [Double], agents: Int, poolSize: Int) throws -> Double {
        var scenario = Scenario()
        scenario.hosts = durations.map { .ends(.ok, connect: 0, run: $0) }
        scenario.tick = 5
        scenario.agents = (0..<agents).map { _ in Scenario.Agent(slots: poolSize) }
        scenario.phases = [SchedulingPlan.Phase(entries: 0..<durations.count, poolSize: poolSize)]
        let world = World(scenario, seed: 1, keepsTrace: false)
        world.timeLimit = .infinity
        world.eventLimit = .max
        try world.run()
        #expect(world.outcomes.allSatisfy { $0 == .ok })
        return Double(world.finishedAt) / 1e9
    }

    @Test(arguments: Durations.allCases, [4, 64])
    func theBubbleIsWithinTwoPercentOfOnePool(_ kind: Durations, _ agents: Int) throws {
        var random = SplitMix64(seed: UInt64(agents))
        let durations = (0..<(agents * Self.poolSize * Self.rounds)).map { _ in kind.draw(&random) }
        let ideal = listScheduling(durations, slots: agents * Self.poolSize)
        let split = (0..<agents).map { agent in
            listScheduling(
                durations.enumerated().filter { $0.offset % agents == agent }.map(\.element),
                slots: Self.poolSize
            )
        }
        let taken = try simulated(durations, agents: agents, poolSize: Self.poolSize)
        let figures = [ideal, taken, split.max() ?? 0].map { String(format: "%8.1f", $0) }.joined(separator: " ")
        print("makespan \(kind.rawValue) over \(agents) agents: one pool, bubble, static split \(figures) s")
        #expect(taken <= ideal * 1.02)
    }

    /// The 100,000 hosts of the project's own measure are run in release mode; here fewer, for the figure's sake.
    @Test func manyHosts() throws {
        let count = ProcessInfo.processInfo.environment["COORD_SIMULATION_HOSTS"].flatMap { Int($0) } ?? 2000
        let started = ContinuousClock.now
        _ = try simulated(Array(repeating: 1, count: count), agents: 16, poolSize: 50)
        print("\(count) hosts simulated in \(ContinuousClock.now - started)")
    }
}
