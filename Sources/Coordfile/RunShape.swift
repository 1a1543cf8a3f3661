// How many run at once, on how many agents. The task's own word holds whatever the flags say, as Fabric's decorators
// do: `mode:` before -P and --sequential, `pool_size:` before -z before the defaults. Asking for a pool size or for
// agents asks for parallel too; next to --sequential they are given room but say nothing, so that wins. A pool that
// nobody sized takes half the hosts (rounded down, at least 1), shared over the agents (rounded up).

/// What the command line says about how many run at once.
public struct ModeFlags: Sendable, Equatable {
    /// `-P`.
    public var parallel: Bool

    /// `--sequential`.
    public var sequential: Bool

    /// `-z`; nil when not given.
    public var poolSize: Int?

    /// `--agents`; nil when not given.
    public var agents: Int?

    /// `coord run -- COMMAND`, which is parallel unless told otherwise.
    public var isCommand: Bool

    /// No flags, unless told otherwise.
    public init(
        parallel: Bool = false,
        sequential: Bool = false,
        poolSize: Int? = nil,
        agents: Int? = nil,
        isCommand: Bool = false
    ) {
        self.parallel = parallel
        self.sequential = sequential
        self.poolSize = poolSize
        self.agents = agents
        self.isCommand = isCommand
    }
}

/// How many run at once, on how many agents.
public struct RunShape: Sendable, Equatable {
    /// Who decided on the pool size.
    public enum PoolSizeSource: Sendable {
        /// `-z`.
        case flag
        /// The task's `pool_size:`.
        case task
        /// The task file's `defaults:`.
        case defaults
        /// Nobody: half the hosts.
        case half
        /// The mode: one host at a time.
        case sequential
    }

    /// Whether hosts run at the same time.
    public let mode: TaskMode

    /// Agents that are needed, from 1 to the number of hosts; 1 in sequence.
    public let agents: Int

    /// Workers in each agent's pool, from 1 to the number of hosts; 1 in sequence.
    public let poolSize: Int

    /// Hosts that run at once over all agents, from 1 to the number of hosts.
    public let bubble: Int

    /// Who decided on the pool size.
    public let poolSizeSource: PoolSizeSource
}

/// Settles mode, agents and pool sizes of a task's run.
///
/// - Parameters:
///   - task: nil for `coord run -- COMMAND`.
///   - file: nil when there is no task file.
///   - hostCount: the entries that `resolveHosts` found; at least 1.
/// - Throws: `PlanningError` with `.usage` for `-P` beside `--sequential`, and for numbers below 1.
public func resolveShape(
    task: TaskDefinition?,
    file: Coordfile?,
    flags: ModeFlags,
    hostCount: Int
) throws(PlanningError) -> RunShape {
    precondition(hostCount > 0, "a run has at least one host")
    try flags.check()
    switch task?.mode ?? flags.mode {
    case .sequential:
        return RunShape(mode: .sequential, agents: 1, poolSize: 1, bubble: 1, poolSizeSource: .sequential)
    case .parallel:
        let agents = min(flags.agents ?? 1, hostCount)
        let wanted = poolSize(task: task, file: file, flags: flags, hostCount: hostCount, agents: agents)
        let poolSize = min(wanted.size, hostCount)
        let (slots, overflow) = agents.multipliedReportingOverflow(by: poolSize)
        return RunShape(
            mode: .parallel,
            agents: agents,
            poolSize: poolSize,
            bubble: overflow ? hostCount : min(slots, hostCount),
            poolSizeSource: wanted.source
        )
    }
}

private func poolSize(
    task: TaskDefinition?,
    file: Coordfile?,
    flags: ModeFlags,
    hostCount: Int,
    agents: Int
) -> (size: Int, source: RunShape.PoolSizeSource) {
    if let size = task?.poolSize { return (size, .task) }
    if let size = flags.poolSize { return (size, .flag) }
    if let size = file?.defaults.poolSize { return (size, .defaults) }
    let half = max(1, hostCount / 2)
    return ((half - 1) / agents + 1, .half)
}

extension ModeFlags {
    fileprivate var mode: TaskMode {
        if sequential { return .sequential }
        return parallel || poolSize != nil || agents != nil || isCommand ? .parallel : .sequential
    }

    fileprivate func check() throws(PlanningError) {
        if parallel, sequential {
            throw PlanningError(
                .usage,
                "--parallel and --sequential contradict each other",
                hint: "leave one of them out"
            )
        }
        if let poolSize, poolSize < 1 {
            throw PlanningError(.usage, "--pool-size is \(poolSize)", hint: "a pool has at least 1 worker")
        }
        if let agents, agents < 1 {
            throw PlanningError(.usage, "--agents is \(agents)", hint: "a run has at least 1 agent")
        }
    }
}
