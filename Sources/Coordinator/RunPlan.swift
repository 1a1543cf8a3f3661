import Coordfile
import HostSets
import Scheduling

/// What a run will do, settled before anything starts: each task with its hosts, in order.
public struct RunPlan: Sendable {
    /// One task of the run.
    public struct Task: Sendable {
        /// The task's name; the command itself for `coord run -- COMMAND` is called `command`.
        public var name: String
        /// What runs on each host, in order.
        public var steps: [Step]
        /// Shell variables for the steps.
        public var environment: [EnvironmentVariable]
        /// How many hosts run at once.
        public var shape: RunShape
        /// The most that all steps together may take on one host; nil: no limit.
        public var timeout: Duration?
        /// Its entries in ``RunPlan/entries``.
        public var entries: Range<Int>
    }

    /// One host of one task.
    public struct Entry: Sendable {
        /// As written by the user.
        public var host: HostAddress
        /// Index in ``RunPlan/tasks``.
        public var task: Int
    }

    /// In the order in which they run.
    public private(set) var tasks: [Task] = []
    /// In the order of the host lists, task after task.
    public private(set) var entries: [Entry] = []
    /// A failing step does not stop the host's later steps, nor a sequence (`-w`).
    public var warnOnly: Bool

    /// A plan without tasks.
    public init(warnOnly: Bool = false) { self.warnOnly = warnOnly }

    /// Adds a task behind the others.
    public mutating func add(
        _ task: TaskDefinition,
        on hosts: [HostAddress],
        shape: RunShape,
        timeout: Duration?
    ) {
        let start = entries.count
        for host in hosts { entries.append(Entry(host: host, task: tasks.count)) }
        tasks.append(
            Task(
                name: task.name,
                steps: task.steps,
                environment: task.environment,
                shape: shape,
                timeout: timeout,
                entries: start..<entries.count
            )
        )
    }

    /// Local agents that the widest task needs.
    public var agentCount: Int { tasks.map(\.shape.agents).max() ?? 1 }
    /// The largest pool that a task asks of each agent.
    public var poolSize: Int { tasks.map(\.shape.poolSize).max() ?? 1 }
    /// The most hosts that run at once.
    public var bubble: Int { tasks.map(\.shape.bubble).max() ?? 1 }

    /// What the scheduler needs to know.
    func schedulingPlan(agentCount: Int) -> SchedulingPlan {
        let phases = tasks.map { task in
            SchedulingPlan.Phase(
                entries: task.entries,
                isSequential: task.shape.mode == .sequential,
                poolSize: task.shape.poolSize,
                failureBudget: task.shape.mode == .sequential && !warnOnly ? 0 : nil,
                continuesAfterFailure: warnOnly
            )
        }
        let agents = (0..<agentCount).map { _ in SchedulingPlan.Agent(isLocal: true) }
        return SchedulingPlan(phases: phases, agents: agents)
    }
}
