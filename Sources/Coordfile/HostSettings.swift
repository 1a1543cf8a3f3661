/// How a host is reached, as far as the task file says; nil where it says nothing.
public struct HostSettings: Sendable, Equatable {
    /// The user to log in as.
    public var user: String?

    /// The port, 1 to 65535.
    public var port: Int?

    /// The absolute path of a private key, on the machine that the agent runs on.
    public var identity: String?

    /// The absolute path of a known_hosts file.
    public var knownHosts: String?

    /// Settings that say nothing.
    public init() {}

    /// These settings, and the other ones where these say nothing.
    func filled(from other: HostSettings) -> HostSettings {
        var result = self
        result.user = user ?? other.user
        result.port = port ?? other.port
        result.identity = identity ?? other.identity
        result.knownHosts = knownHosts ?? other.knownHosts
        return result
    }
}

/// One entry of the task file's `hosts:`: which hosts, and the settings they get.
public struct HostRule: Sendable, Equatable {
    enum Matcher: Sendable, Equatable {
        case glob(String)
        case names(Set<String>)
    }

    /// The key as written: a glob (`db*`) or a host expression (`db[1-3]`).
    public let pattern: String

    /// What the hosts get.
    public let settings: HostSettings

    /// The line of the key in the file, from 1 on.
    public let line: Int

    let matcher: Matcher

    /// Whether the host of that name (without user and port) is meant.
    func matches(_ name: String) -> Bool {
        switch matcher {
        case .glob(let glob): globMatches(Array(glob.utf8), Array(name.utf8))
        case .names(let names): names.contains(name)
        }
    }
}

/// `*` stands for any bytes, `?` for one; never looks back further than the last `*`, so the time stays bounded.
func globMatches(_ glob: [UInt8], _ name: [UInt8]) -> Bool {
    let star = UInt8(ascii: "*")
    var (globIndex, nameIndex) = (0, 0)
    var retry: (glob: Int, name: Int)?
    while nameIndex < name.count {
        if globIndex < glob.count, glob[globIndex] == star {
            globIndex += 1
            retry = (globIndex, nameIndex)
        } else if globIndex < glob.count, glob[globIndex] == UInt8(ascii: "?") || glob[globIndex] == name[nameIndex] {
            globIndex += 1
            nameIndex += 1
        } else if let last = retry {
            globIndex = last.glob
            nameIndex = last.name + 1
            retry = (globIndex, nameIndex)
        } else {
            return false
        }
    }
    return glob[globIndex...].allSatisfy { $0 == star }
}
