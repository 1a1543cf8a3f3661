/// What a scheduler needs to know of a run, fixed before it starts.
public struct SchedulingPlan: Sendable {
    /// One task of the run with its entries; phases follow each other.
    public struct Phase: Sendable {
        /// The entries of this task, in the order listed.
        public var entries: Range<Int>
        /// One host at a time across all agents, in the order listed.
        public var isSequential: Bool
        /// The most workers of each agent for this task; at least 1.
        public var poolSize: Int
        /// May be granted again when its end is unknown.
        public var isIdempotent: Bool
        /// When more entries than this are not ok, nothing more is leased; nil: go on whatever happens.
        public var failureBudget: Int?
        /// Whether the next phase starts although an entry of this one was not ok.
        public var continuesAfterFailure: Bool

        /// A phase with these parts.
        public init(
            entries: Range<Int>,
            isSequential: Bool = false,
            poolSize: Int,
            isIdempotent: Bool = false,
            failureBudget: Int? = nil,
            continuesAfterFailure: Bool = false
        ) {
            precondition(poolSize > 0, "a pool of \(poolSize)")
            self.entries = entries
            self.isSequential = isSequential
            self.poolSize = poolSize
            self.isIdempotent = isIdempotent
            self.failureBudget = failureBudget
            self.continuesAfterFailure = continuesAfterFailure
        }
    }

    /// One agent of the run.
    public struct Agent: Sendable {
        /// Started by the coordinator on this machine: its end is certain, and it is started anew at once.
        public var isLocal: Bool
        /// Which reach classes it reaches; as many as ``SchedulingPlan/reachClassCount``.
        public var reaches: [Bool]

        /// An agent with these parts.
        public init(isLocal: Bool, reaches: [Bool] = [true]) {
            self.isLocal = isLocal
            self.reaches = reaches
        }
    }

    /// Times and limits.
    public struct Policy: Sendable {
        /// How often agents are pinged.
        public var heartbeat = Duration.seconds(2)
        /// An agent that says nothing for this long is lost; longer than the grant age of workers.
        public var agentSilence = Duration.seconds(15)
        /// How long a run without an agent waits for one.
        public var lastAgentWait = Duration.seconds(60)
        /// How often a local agent is started again.
        public var restartLimit = 3
        /// How often an entry may come back unstarted (its agent or worker died) before it is unreachable.
        public var setbackLimit = 3
        /// How often an entry is tried again because its server was busy before it is unreachable. With the delays
        /// below that is about half a minute.
        public var busyLimit = 12
        /// The wait before the first of these tries; doubled with each, and spread by half of it both ways.
        public var busyDelay = Duration.milliseconds(200)
        /// The longest such wait.
        public var busyDelayLimit = Duration.seconds(4)

        /// The defaults of docs/ARCHITECTURE.md.
        public init() {}
    }

    /// The tasks in order; their entry ranges follow each other from 0 on.
    public var phases: [Phase]
    /// The agents, at least one.
    public var agents: [Agent]
    /// For each entry the class of agents that reach it; empty: all are of class 0.
    public var reachClasses: [UInt16]
    /// Times and limits.
    public var policy: Policy

    /// A plan with these parts; the phases' ranges must follow each other from 0 on.
    public init(phases: [Phase], agents: [Agent], reachClasses: [UInt16] = [], policy: Policy = Policy()) {
        var end = 0
        for phase in phases {
            precondition(phase.entries.lowerBound == end, "phases leave a gap")
            end = phase.entries.upperBound
        }
        precondition(!agents.isEmpty, "a plan without agents")
        precondition(reachClasses.isEmpty || reachClasses.count == end, "one reach class for each entry")
        self.phases = phases
        self.agents = agents
        self.reachClasses = reachClasses
        self.policy = policy
    }

    /// What the journal of an earlier coordinator says of one entry.
    public struct Record: Sendable, Equatable {
        /// How far it came.
        public enum Progress: Sendable, Equatable {
            /// Never granted, or the grant was withdrawn.
            case unstarted
            /// Granted under this lease, and no outcome was journalled.
            case granted(Lease)
            /// It has its outcome.
            case finished(Outcome)
        }

        /// How far it came.
        public var progress: Progress
        /// The highest attempt that was used; 0: none.
        public var attempts: UInt32

        /// A record with these parts.
        public init(_ progress: Progress, attempts: UInt32) {
            self.progress = progress
            self.attempts = attempts
        }
    }

    /// How many entries there are.
    public var entryCount: Int { phases.last?.entries.upperBound ?? 0 }
    /// How many reach classes there are.
    public var reachClassCount: Int { agents[0].reaches.count }

    /// The reach class of an entry.
    func reachClass(of entry: Int) -> Int { reachClasses.isEmpty ? 0 : Int(reachClasses[entry]) }
}
