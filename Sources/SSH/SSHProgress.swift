/// What a call that never blocks answers.
public enum SSHProgress<Value> {
    /// It is done.
    case done(Value)
    /// Poll the session's socket and call again with the same arguments.
    case wouldBlock
}
