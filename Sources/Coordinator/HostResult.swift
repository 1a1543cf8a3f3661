import HostSets
import Scheduling
import WireProtocol

/// How one host of one task came out.
public struct HostResult: Sendable, Equatable {
    /// Seconds of each stage; `queue` is the wait for a slot.
    public struct Seconds: Sendable, Equatable {
        /// From the task's beginning until its connection was begun.
        public var queue = 0.0
        /// Name and TCP.
        public var connect = 0.0
        /// Key exchange, host key, login.
        public var auth = 0.0
        /// From the claim to the grant.
        public var grant = 0.0
        /// The steps.
        public var run = 0.0
        /// All of them.
        public var total: Double { queue + connect + auth + grant + run }
    }

    /// Index in the plan.
    public var entry: Int
    /// As written by the user.
    public var host: String
    /// Its name without user and port.
    public var address: String
    /// The task's name.
    public var task: String
    /// Which agent had it; nil when it never left the queue.
    public var agent: String?
    /// The one outcome.
    public var outcome: Outcome
    /// Of the step that failed, else of the last one; nil when none ended with a status.
    public var exitStatus: Int32?
    /// The signal that the remote command died by, without "SIG".
    public var signal: String?
    /// Where it ended when it did not run to its end: resolve, connect, handshake, host_key, authenticate, grant, run.
    public var stage: String?
    /// One line for people.
    public var message: String?
    /// How long the stages took.
    public var seconds = Seconds()
    /// A background process on the host still held the streams.
    public var outputOpen = false
    /// What was read may not be all.
    public var outputIncomplete = false
    /// The remote command could not be ended, or it is not known whether it ended.
    public var possiblyRunning = false

    /// A result without details.
    public init(entry: Int, host: HostAddress, task: String, agent: String?, outcome: Outcome) {
        self.entry = entry
        self.host = host.text
        address = host.name
        self.task = task
        self.agent = agent
        self.outcome = outcome
    }

    /// Takes the details that a worker reported. The texts come from a machine that may be hostile: they are made
    /// printable here and cut to 1,000 characters.
    mutating func take(_ wire: WireResult) {
        exitStatus = wire.hasExitStatus ? wire.exitStatus : nil
        signal = wire.signal.isEmpty ? nil : Printable.line(wire.signal, limit: 40)
        stage = wire.stage.name
        message = wire.message.isEmpty ? nil : Printable.line(wire.message, limit: 1000)
        seconds.connect = Self.plausible(wire.seconds.connect)
        seconds.auth = Self.plausible(wire.seconds.auth)
        seconds.grant = Self.plausible(wire.seconds.grant)
        seconds.run = Self.plausible(wire.seconds.run)
        outputOpen = wire.outputOpen
        outputIncomplete = wire.outputIncomplete
        possiblyRunning = wire.possiblyRunning
    }

    private static func plausible(_ seconds: Double) -> Double {
        seconds.isFinite ? min(max(0, seconds), 1e9) : 0
    }
}

extension WireStage {
    /// As it stands in JSON; nil for none.
    var name: String? {
        switch self {
        case .none, .UNRECOGNIZED: nil
        case .resolve: "resolve"
        case .connect: "connect"
        case .handshake: "handshake"
        case .hostKey: "host_key"
        case .authenticate: "authenticate"
        case .grant: "grant"
        case .run: "run"
        }
    }
}

extension WireOutcome {
    /// The scheduler's outcome; nil for what an agent must not say.
    var outcome: Outcome? {
        switch self {
        case .ok: .ok
        case .failed: .failed
        case .signalled: .signalled
        case .timedOut: .timedOut
        case .unreachable: .unreachable
        case .refused: .refused
        case .cancelled: .cancelled
        case .lost: .lost
        case .skipped, .unknown, .UNRECOGNIZED: nil
        }
    }
}
