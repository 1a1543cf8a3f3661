// The text of the files in a sandbox's folder. Pure: what it takes is what it shows.
//
// The hosts are addresses from 127.77.0.1 on, 254 in each block of 256, so that none ends in .0 or .255.

/// The names and the contents of a sandbox's files.
struct SandboxFiles {
    static let serverConfiguration = "sshd_config"
    static let serverLog = "sshd.log"
    static let processID = "sshd.pid"
    static let hostKey = "ssh_host_ed25519_key"
    static let identity = "id_ed25519"
    static let authorizedKeys = "authorized_keys"
    static let knownHosts = "known_hosts"
    static let taskFile = "Coordfile.yaml"

    /// The most hosts: as many as one run may have.
    static let hostLimit = 1_000_000
    /// The role that names all hosts.
    static let role = "servers"

    private static let firstBlock = 77
    private static let addressesPerBlock = 254
    private static let addressesPerOctet = 256 * addressesPerBlock
    /// Keeps the lines of known_hosts well below what its readers take.
    private static let namesPerLine = 100
    /// sshd's own default; fewer would refuse connections of a small sandbox.
    private static let leastStartups = 100
    /// sshd sets up a slot for each, whether used or not.
    private static let mostStartups = 10_000

    var marker: SandboxMarker
    /// Where sshd finds the keys that may log in.
    var authorizedKeysPath: String

    // MARK: Addresses

    /// The hosts as patterns, in the order of ``address(_:)``.
    static func hostPatterns(count: Int) -> [String] {
        var patterns: [String] = []
        var rest = count
        var octet = firstBlock
        while rest > 0 {
            let here = min(rest, addressesPerOctet)
            let blocks = here / addressesPerBlock
            let remainder = here % addressesPerBlock
            if blocks > 0 {
                patterns.append("127.\(octet).\(range(0, blocks - 1)).\(range(1, addressesPerBlock))")
            }
            if remainder > 0 {
                patterns.append("127.\(octet).\(blocks).\(range(1, remainder))")
            }
            rest -= here
            octet += 1
        }
        return patterns
    }

    /// The address of a host, from 0 on.
    static func address(_ index: Int) -> String {
        let octet = firstBlock + index / addressesPerOctet
        let block = index % addressesPerOctet / addressesPerBlock
        return "127.\(octet).\(block).\(index % addressesPerBlock + 1)"
    }

    private static func range(_ first: Int, _ last: Int) -> String {
        first == last ? "\(first)" : "[\(first)-\(last)]"
    }

    // MARK: Contents

    /// sshd_config(5): one server on every address, closed to all but keys that come from loopback.
    var serverConfigurationText: String {
        """
        # Made by `coord sandbox up`, removed by `coord sandbox down`.
        Port \(marker.port)
        AddressFamily inet
        ListenAddress 0.0.0.0
        HostKey "\(marker.folder)/\(SandboxFiles.hostKey)"
        PidFile "\(marker.folder)/\(SandboxFiles.processID)"
        LogLevel INFO

        AllowUsers \(marker.user)@127.0.0.0/8
        AuthenticationMethods publickey
        AuthorizedKeysFile "\(authorizedKeysPath)"
        PubkeyAuthentication yes
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        HostbasedAuthentication no
        PermitRootLogin no
        StrictModes no
        UsePAM no
        UseDNS no

        DisableForwarding yes
        PermitUserRC no
        PermitUserEnvironment no
        PrintMotd no
        PrintLastLog no
        Subsystem sftp internal-sftp

        MaxStartups \(min(max(marker.hostCount * 2, SandboxFiles.leastStartups), SandboxFiles.mostStartups))
        MaxSessions 100
        LoginGraceTime 60

        """
    }

    /// sshd(8), AUTHORIZED_KEYS FILE FORMAT: the key works from loopback only.
    static func authorizedKeysText(publicKey: String) -> String {
        "restrict,pty,from=\"127.0.0.0/8\" \(publicKey)\n"
    }

    /// Every host has the one host key.
    func knownHostsText(publicKey: String) -> String {
        var text = ""
        for start in stride(from: 0, to: marker.hostCount, by: SandboxFiles.namesPerLine) {
            let names = (start..<min(start + SandboxFiles.namesPerLine, marker.hostCount)).map { index in
                "[\(SandboxFiles.address(index))]:\(marker.port)"
            }
            text += names.joined(separator: ",") + " \(publicKey)\n"
        }
        return text
    }

    /// A task file with one role and one task; its paths are relative to itself.
    var taskFileText: String {
        let patterns = SandboxFiles.hostPatterns(count: marker.hostCount).map { "\"\($0)\"" }.joined(separator: ", ")
        return """
            # Made by `coord sandbox up`, removed by `coord sandbox down`.
            # One sshd on this machine answers as every host of the role.
            roles:
              \(SandboxFiles.role): [\(patterns)]
            defaults:
              user: "\(marker.user)"
              port: \(marker.port)
              identity: \(SandboxFiles.identity)
              known_hosts: \(SandboxFiles.knownHosts)
            tasks:
              poke:
                doc: Sleep ten seconds on every server.
                roles: [\(SandboxFiles.role)]
                run: sleep 10

            """
    }
}
