import WireProtocol

/// How a worker's work ends before it is through.
enum WorkerEnd: Error {
    /// With a result.
    case finished(WireResult)
    /// Never started, the lease goes back.
    case returned(String)
    /// Never started: the server took no more connections for now.
    case turnedAway(String)
    /// The agent is gone: nobody is left to tell.
    case agentGone
}

/// The exit status of a worker process.
enum WorkerExit {
    /// The last frame was sent.
    static let done: Int32 = 0
    /// The agent's frames make no sense.
    static let malformed: Int32 = 70
    /// The agent went away.
    static let agentGone: Int32 = 71
}
