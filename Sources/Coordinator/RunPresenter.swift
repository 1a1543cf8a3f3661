import Foundation
import Scheduling

/// What is to be printed where.
public struct Rendered: Sendable, Equatable {
    /// For standard output.
    public var stdout: [UInt8]
    /// For standard error.
    public var stderr: [UInt8]

    /// Nothing, unless given.
    public init(stdout: [UInt8] = [], stderr: [UInt8] = []) {
        self.stdout = stdout
        self.stderr = stderr
    }
}

/// A run as it stands before its first host.
public struct RunDescription: Sendable {
    /// Its ID, for `coord show` and the others.
    public var id: String
    /// Its tasks in order.
    public var tasks: [String]
    /// By the wall clock.
    public var startedAt: Date
    /// Agents that were opened.
    public var agents: Int
    /// Workers in each agent's pool.
    public var poolSize: Int
    /// The most hosts that run at once.
    public var bubble: Int
    /// Entries.
    public var hosts: Int
}

/// Something that people should know while a run goes on.
public enum RunNotice: Sendable, Equatable {
    /// A line to be shown as it is; `isWarning`: also with `-q`.
    case message(String, isWarning: Bool)
    /// Ctrl-C, with the count of hosts that run.
    case interrupted(count: Int, running: Int)
}

/// Turns what happens in a run into text. It is called on the run's event loop and never writes itself: what it answers
/// is printed by threads of their own, and output counts against a host's byte credit until it is printed.
public protocol RunPresenter: AnyObject {
    /// Whether ``hostFinished(_:output:)`` wants to be given what the journal kept.
    var wantsKeptOutput: Bool { get }
    /// The run is open; hosts follow.
    func runStarted(_ run: RunDescription) -> Rendered
    /// Bytes of a host's stream, as they came.
    func output(entry: Int, stream: HostStream, bytes: [UInt8]) -> Rendered
    /// A host has its outcome, and the journal holds it. Called again for an entry whose `lost` was replaced.
    func hostFinished(_ result: HostResult, output: KeptOutput?) -> Rendered
    /// Something to know.
    func notice(_ notice: RunNotice) -> Rendered
}
