import Foundation
import Scheduling
import Testing

/// Worlds with faults, from seeds. One alone, with its trace's digest:
///
///     COORD_SIMULATION_SEED=17 swift test --filter SimulationTests
///
/// and so many of them with COORD_SIMULATION_COUNT.
@Suite struct SimulationTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seeds: ClosedRange<UInt64> = {
        if let seed = environment["COORD_SIMULATION_SEED"].flatMap({ UInt64($0) }) { return seed...seed }
        return 1...(environment["COORD_SIMULATION_COUNT"].flatMap { UInt64($0) } ?? 2000)
    }()

    @Test func everyPromiseHoldsInEveryWorld() {
        var broken = 0
        for seed in Self.seeds where broken < 3 {
            let world = World(Scenario.random(seed: seed), seed: seed)
            do {
                try world.run()
                if Self.seeds.count == 1 { print("seed \(seed): digest \(String(world.digest, radix: 16))") }
            } catch {
                broken += 1
                Issue.record(
                    "seed \(seed) (COORD_SIMULATION_SEED=\(seed) swift test --filter SimulationTests): \(error)"
                )
            }
        }
    }

    @Test func theSameSeedGivesTheSameTrace() throws {
        for seed in UInt64(1)...30 {
            let digests = try (0..<2).map { _ in
                let world = World(Scenario.random(seed: seed), seed: seed)
                try world.run()
                return world.digest
            }
            #expect(digests[0] == digests[1], "seed \(seed)")
        }
    }

    @Test func theWorldsAreNotTame() throws {
        var counts: [Outcome: Int] = [:]
        var late = 0
        for seed in UInt64(1)...300 {
            let world = World(Scenario.random(seed: seed), seed: seed)
            try world.run()
            for outcome in world.outcomes { if let outcome { counts[outcome, default: 0] += 1 } }
            if world.epoch > 1 { late += 1 }
        }
        for outcome in Outcome.allCases { #expect(counts[outcome, default: 0] > 10, "\(outcome)") }
        #expect(late > 10, "coordinators that came back")
    }
}
