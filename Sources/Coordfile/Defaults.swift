/// What the task file's `defaults:` say; nil where they say nothing.
public struct Defaults: Sendable, Equatable {
    /// How hosts are reached for which `hosts:` says nothing else.
    public internal(set) var host = HostSettings()

    /// Workers in each agent's pool.
    public internal(set) var poolSize: Int?

    /// The most time that connecting to a host may take.
    public internal(set) var connectTimeout: Duration?

    /// The most time that a task may take on one host.
    public internal(set) var timeout: Duration?
}
