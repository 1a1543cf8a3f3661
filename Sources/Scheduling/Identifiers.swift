/// A host of one task: its place in the plan, from 0 on. The same host in two tasks is two entries.
public struct EntryID: Hashable, Comparable, Sendable {
    /// Index in the plan.
    public let index: Int

    /// The entry at that index.
    public init(_ index: Int) { self.index = index }

    /// In the order of their numbers.
    public static func < (left: EntryID, right: EntryID) -> Bool { left.index < right.index }
}

/// An agent's place in the plan, from 0 on; it stays the same when the agent's process is started anew.
public struct AgentID: Hashable, Comparable, Sendable {
    /// Index in the plan.
    public let index: Int

    /// The agent at that index.
    public init(_ index: Int) { self.index = index }

    /// In the order of their numbers.
    public static func < (left: AgentID, right: AgentID) -> Bool { left.index < right.index }
}

/// One process of an agent: chosen at random when it starts, so that its messages can't be taken for another's.
public struct Incarnation: Hashable, Sendable {
    /// Never 0.
    public let rawValue: UInt64

    /// The incarnation with that number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Which of an entry's leases something belongs to, from 1 on; each lease of an entry has a number of its own.
public struct Attempt: Hashable, Comparable, Sendable {
    /// From 1 on.
    public let number: UInt32

    /// The attempt with that number.
    public init(_ number: UInt32) { self.number = number }

    /// In the order of their numbers.
    public static func < (left: Attempt, right: Attempt) -> Bool { left.number < right.number }
}

/// One lease of an entry to one process of an agent.
public struct Lease: Hashable, Sendable {
    /// The entry.
    public let entry: EntryID
    /// Which lease of it.
    public let attempt: Attempt
    /// To whom.
    public let agent: AgentID
    /// To which process.
    public let incarnation: Incarnation

    /// A lease with these parts.
    public init(entry: EntryID, attempt: Attempt, agent: AgentID, incarnation: Incarnation) {
        self.entry = entry
        self.attempt = attempt
        self.agent = agent
        self.incarnation = incarnation
    }
}

/// What became of an entry; exactly one for each, as docs/ARCHITECTURE.md defines them.
public enum Outcome: String, CaseIterable, Hashable, Sendable {
    /// Every step ended with an accepted status, and that is proven.
    case ok
    /// A step ended with another status, or could not be carried out on the host.
    case failed
    /// The remote command died by a signal.
    case signalled
    /// A deadline passed after the task had started.
    case timedOut = "timed_out"
    /// Never started: name, connection or handshake.
    case unreachable
    /// Never started: host key, authentication, or no algorithm in common.
    case refused
    /// Never started or stopped, because the user said so.
    case cancelled
    /// Never started: a policy stopped the run first, or no agent was left.
    case skipped
    /// It was granted, and its worker, agent or connection went away.
    case lost

    /// True for the outcomes that only an entry that was granted can have.
    public var needsGrant: Bool {
        switch self {
        case .ok, .failed, .signalled, .timedOut, .lost: true
        case .unreachable, .refused, .cancelled, .skipped: false
        }
    }
}
