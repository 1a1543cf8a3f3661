import Testing

@testable import Coordfile

/// Task, defaults, flags and hosts, and the shape they give.
struct ShapeRow: CustomTestStringConvertible, Sendable {
    var mode: TaskMode?
    var taskPool: Int?
    var defaultPool: Int?
    var flags = ModeFlags()
    var hosts: Int
    var expected: Expected

    struct Expected: Equatable, Sendable {
        var mode: TaskMode
        var agents: Int
        var pool: Int
        var bubble: Int
        var source: RunShape.PoolSizeSource

        static let sequential = Expected(mode: .sequential, agents: 1, pool: 1, bubble: 1, source: .sequential)

        static func parallel(
            _ agents: Int,
            _ pool: Int,
            _ bubble: Int,
            _ source: RunShape.PoolSizeSource
        ) -> Expected {
            Expected(mode: .parallel, agents: agents, pool: pool, bubble: bubble, source: source)
        }
    }

    var testDescription: String {
        "mode \(String(describing: mode)) pool \(String(describing: taskPool)) \(String(describing: defaultPool)) "
            + "\(flags) hosts \(hosts)"
    }

    func resolve() throws -> Expected {
        let task = TaskDefinition(name: "t", mode: mode, poolSize: taskPool, steps: [.run("x")])
        var file = Coordfile(path: "f")
        file.defaults.poolSize = defaultPool
        let shape = try resolveShape(task: flags.isCommand ? nil : task, file: file, flags: flags, hostCount: hosts)
        return Expected(
            mode: shape.mode,
            agents: shape.agents,
            pool: shape.poolSize,
            bubble: shape.bubble,
            source: shape.poolSizeSource
        )
    }
}

@Suite struct RunShapeTests {
    static let modes: [ShapeRow] = [
        ShapeRow(hosts: 10, expected: .sequential),
        ShapeRow(flags: ModeFlags(parallel: true), hosts: 10, expected: .parallel(1, 5, 5, .half)),
        ShapeRow(flags: ModeFlags(sequential: true), hosts: 10, expected: .sequential),
        ShapeRow(flags: ModeFlags(poolSize: 3), hosts: 10, expected: .parallel(1, 3, 3, .flag)),
        ShapeRow(flags: ModeFlags(agents: 1), hosts: 10, expected: .parallel(1, 5, 5, .half)),
        ShapeRow(flags: ModeFlags(agents: 2), hosts: 10, expected: .parallel(2, 3, 6, .half)),
        ShapeRow(flags: ModeFlags(sequential: true, poolSize: 3), hosts: 10, expected: .sequential),
        ShapeRow(flags: ModeFlags(sequential: true, agents: 4), hosts: 10, expected: .sequential),
        ShapeRow(flags: ModeFlags(sequential: true, poolSize: 3, agents: 4), hosts: 10, expected: .sequential),
        // The task's mode holds whatever the flags say.
        ShapeRow(mode: .parallel, hosts: 10, expected: .parallel(1, 5, 5, .half)),
        ShapeRow(mode: .parallel, flags: ModeFlags(sequential: true), hosts: 10, expected: .parallel(1, 5, 5, .half)),
        ShapeRow(mode: .sequential, flags: ModeFlags(parallel: true), hosts: 10, expected: .sequential),
        ShapeRow(mode: .sequential, flags: ModeFlags(poolSize: 5, agents: 4), hosts: 10, expected: .sequential),
        ShapeRow(mode: .sequential, taskPool: 5, hosts: 10, expected: .sequential),
        // Neither pool_size in the file asks for parallel.
        ShapeRow(taskPool: 5, hosts: 10, expected: .sequential),
        ShapeRow(defaultPool: 5, hosts: 10, expected: .sequential),
        // A command is parallel unless told otherwise.
        ShapeRow(flags: ModeFlags(isCommand: true), hosts: 10, expected: .parallel(1, 5, 5, .half)),
        ShapeRow(flags: ModeFlags(sequential: true, isCommand: true), hosts: 10, expected: .sequential),
        ShapeRow(flags: ModeFlags(sequential: true, poolSize: 2, isCommand: true), hosts: 10, expected: .sequential),
        ShapeRow(defaultPool: 4, flags: ModeFlags(isCommand: true), hosts: 10, expected: .parallel(1, 4, 4, .defaults)),
    ]

    @Test(arguments: modes) func modesAreSettled(_ row: ShapeRow) throws {
        #expect(try row.resolve() == row.expected)
    }

    static let pools: [ShapeRow] = [
        // The task's before the flag's before the defaults'.
        ShapeRow(
            taskPool: 5,
            defaultPool: 7,
            flags: ModeFlags(poolSize: 6),
            hosts: 50,
            expected: .parallel(1, 5, 5, .task)
        ),
        ShapeRow(defaultPool: 7, flags: ModeFlags(poolSize: 6), hosts: 50, expected: .parallel(1, 6, 6, .flag)),
        ShapeRow(defaultPool: 7, flags: ModeFlags(parallel: true), hosts: 50, expected: .parallel(1, 7, 7, .defaults)),
        // Never above the hosts.
        ShapeRow(flags: ModeFlags(poolSize: 20), hosts: 53, expected: .parallel(1, 20, 20, .flag)),
        ShapeRow(flags: ModeFlags(poolSize: 60), hosts: 53, expected: .parallel(1, 53, 53, .flag)),
        ShapeRow(taskPool: 60, flags: ModeFlags(parallel: true), hosts: 3, expected: .parallel(1, 3, 3, .task)),
        ShapeRow(flags: ModeFlags(poolSize: .max, agents: .max), hosts: 3, expected: .parallel(3, 3, 3, .flag)),
        ShapeRow(flags: ModeFlags(poolSize: 20, agents: 4), hosts: 53, expected: .parallel(4, 20, 53, .flag)),
        ShapeRow(flags: ModeFlags(poolSize: 20, agents: 2), hosts: 53, expected: .parallel(2, 20, 40, .flag)),
        ShapeRow(flags: ModeFlags(poolSize: 1, agents: 9), hosts: 4, expected: .parallel(4, 1, 4, .flag)),
        // Half the hosts rounded down, at least 1, shared over the agents rounded up.
        ShapeRow(flags: ModeFlags(parallel: true), hosts: 1, expected: .parallel(1, 1, 1, .half)),
        ShapeRow(flags: ModeFlags(parallel: true), hosts: 2, expected: .parallel(1, 1, 1, .half)),
        ShapeRow(flags: ModeFlags(parallel: true), hosts: 3, expected: .parallel(1, 1, 1, .half)),
        ShapeRow(flags: ModeFlags(parallel: true), hosts: 53, expected: .parallel(1, 26, 26, .half)),
        ShapeRow(flags: ModeFlags(agents: 4), hosts: 53, expected: .parallel(4, 7, 28, .half)),
        ShapeRow(flags: ModeFlags(agents: 3), hosts: 6, expected: .parallel(3, 1, 3, .half)),
        ShapeRow(flags: ModeFlags(agents: 4), hosts: 10, expected: .parallel(4, 2, 8, .half)),
        ShapeRow(flags: ModeFlags(agents: 5), hosts: 5, expected: .parallel(5, 1, 5, .half)),
        ShapeRow(flags: ModeFlags(agents: 4), hosts: 1, expected: .parallel(1, 1, 1, .half)),
        ShapeRow(flags: ModeFlags(agents: 10), hosts: 1_000_000, expected: .parallel(10, 50_000, 500_000, .half)),
    ]

    @Test(arguments: pools) func poolsAreSettled(_ row: ShapeRow) throws {
        #expect(try row.resolve() == row.expected)
    }

    @Test(
        arguments: [
            (ModeFlags(poolSize: 0), "--pool-size is 0; a pool has at least 1 worker"),
            (ModeFlags(poolSize: -4), "--pool-size is -4"), (ModeFlags(poolSize: .min), "--pool-size"),
            (ModeFlags(agents: 0), "--agents is 0; a run has at least 1 agent"),
            (ModeFlags(agents: -1), "--agents is -1"),
            (ModeFlags(sequential: true, poolSize: 0), "--pool-size is 0"),
            (ModeFlags(parallel: true, sequential: true), "--parallel and --sequential contradict each other"),
            (ModeFlags(parallel: true, sequential: true, isCommand: true), "contradict"),
        ]
    )
    func badFlagsAreRefused(_ row: (flags: ModeFlags, says: String)) throws {
        for mode in [TaskMode.parallel, .sequential, nil] {
            let shape = ShapeRow(mode: mode, taskPool: 2, flags: row.flags, hosts: 5, expected: .sequential)
            let error = try #require(throws: PlanningError.self) { try shape.resolve() }
            #expect(error.code == .usage)
            #expect(error.description.contains(row.says), "\(error)")
        }
    }
}
