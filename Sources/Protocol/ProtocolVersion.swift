/// The version of the messages, and the limits that both sides keep.
public enum ProtocolVersion {
    /// Raised by every change that an older peer would misread; both sides must have the same.
    public static let current: UInt32 = 1
    /// What `--version` prints; travels for people to read and decides nothing.
    public static let software = "0.1.0"
}

/// Limits of the link between a coordinator and an agent.
public enum LinkLimit {
    /// The most bytes in one frame: a lease batch of 256 hosts with a few known keys each fits many times over.
    public static let frame = 8 << 20
    /// The most messages that one side keeps for a peer that has not acknowledged them. Output is bounded by credit
    /// (``creditWindow`` a host), everything else by a few messages a slot, so a full queue means a peer that is gone.
    public static let unacknowledged = 200_000
    /// The most hosts in one lease message.
    public static let leaseBatch = 256
    /// Bytes of output that one host may have under way between its worker's pipe and the coordinator's sinks.
    public static let creditWindow = 128 << 10
}
