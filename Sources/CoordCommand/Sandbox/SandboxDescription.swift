import Glibc

/// A sandbox that is up.
struct SandboxDescription: Equatable {
    /// Where it is.
    var folder: String
    /// sshd's port on every host.
    var port: Int
    /// sshd's listening process.
    var processID: pid_t
    /// Who the hosts let in.
    var user: String
    /// How many hosts there are.
    var hostCount: Int
    /// The hosts, as patterns.
    var hostPatterns: [String]
    /// False when it was up before.
    var isNew: Bool
}

/// How a sandbox is.
enum SandboxStatus: Equatable {
    /// There is none.
    case absent
    /// Its folder is there, but sshd is not running: after a reboot, for one.
    case stopped(hostCount: Int)
    /// sshd is running.
    case running(SandboxDescription)
}
