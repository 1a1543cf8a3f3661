import Coordfile
import Foundation
import HostSets
import SSHConfig
import WireProtocol

/// Says for each host how it is reached and by which keys it is known. known_hosts files are read once.
public struct EndpointResolver: Sendable {
    private let options: ConnectionOptions
    private let file: Coordfile?
    private let localUser: String
    private let connectTimeout: Duration
    private let knownHosts: [[String]: KnownHosts]

    /// Lines of known_hosts files that could not be read; to be shown, they stop nothing.
    public let problems: [String]

    /// Reads every known_hosts file that the plan's hosts need.
    ///
    /// - Throws: ``CoordinatorError`` (`usage`) for a known_hosts or an identity file that can't be read.
    public init(options: ConnectionOptions, file: Coordfile?, plan: RunPlan) throws(CoordinatorError) {
        self.options = options
        self.file = file
        localUser = NSUserName()
        connectTimeout =
            options.connectTimeout ?? file?.defaults.connectTimeout ?? ConnectionOptions.defaultConnectTimeout
        var loaded: [[String]: KnownHosts] = [:]
        var problems: [String] = []
        var identities: Set<String> = []
        for entry in plan.entries {
            let settings = file?.settings(forHost: entry.host.text) ?? HostSettings()
            for path in Self.identityFiles(options, settings) where identities.insert(path).inserted {
                // With the public half beside it the private one may be in the ssh-agent only.
                guard [path, path + ".pub"].contains(where: Self.isReadableFile) else {
                    throw CoordinatorError(
                        .usage,
                        "the identity file \(path) of \(entry.host.text) can't be read; name another with -i"
                    )
                }
            }
            let paths = Self.knownHostsPaths(options, settings)
            if loaded[paths] != nil { continue }
            var known = KnownHosts()
            for path in paths {
                do {
                    try known.load(path: path)
                } catch {
                    throw CoordinatorError(.usage, "\(error)")
                }
            }
            problems += known.problems.map(\.description)
            loaded[paths] = known
        }
        knownHosts = loaded
        self.problems = problems
    }

    /// Where a host's new key is written down: the first of the user's known_hosts files.
    func newHostKeyFile(for host: HostAddress) -> String? {
        Self.userKnownHostsPaths(options, settings(of: host)).first
    }

    /// The port that a host is reached at.
    func port(of host: HostAddress) -> Int { host.port ?? options.port ?? settings(of: host).port ?? 22 }

    /// Everything that a worker needs for its connection.
    func endpoint(of host: HostAddress) -> WireEndpoint {
        let settings = settings(of: host)
        let port = host.port ?? options.port ?? settings.port ?? 22
        let known = knownHosts[Self.knownHostsPaths(options, settings)] ?? KnownHosts()
        let match = known.lookup(host: host.name, port: port)
        return .with {
            $0.address = host.name
            $0.port = UInt32(port)
            $0.user = host.user ?? options.user ?? settings.user ?? localUser
            $0.identityFiles = Self.identityFiles(options, settings)
            $0.identitiesOnly = options.identitiesOnly
            $0.identityAgent = options.identityAgent
            $0.connectTimeoutMilliseconds = UInt64(connectTimeout / .milliseconds(1))
            $0.aliveIntervalSeconds = UInt32(options.aliveInterval)
            $0.aliveCountMax = UInt32(options.aliveCountMax)
            // As in OpenSSH, a key that is known for the bare name also serves another port. We are stricter: one that
            // does not match refuses the host, where OpenSSH's accept-new would take it for a new one.
            $0.knownKeys = (match.keys.isEmpty ? match.keysWithoutPort : match.keys).map(\.wire)
            $0.revokedKeys = match.revoked.map(\.wire)
            $0.hostKeyPolicy =
                switch options.hostKeyPolicy {
                case .strict: .strict
                case .acceptNew: .acceptNew
                case .off: .off
                }
        }
    }

    private static func isReadableFile(_ path: String) -> Bool {
        var isFolder = ObjCBool(false)
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
            && FileManager.default.isReadableFile(atPath: path)
    }

    private func settings(of host: HostAddress) -> HostSettings {
        file?.settings(forHost: host.text) ?? HostSettings()
    }

    private static func identityFiles(_ options: ConnectionOptions, _ settings: HostSettings) -> [String] {
        options.identityFiles.isEmpty ? settings.identity.map { [$0] } ?? [] : options.identityFiles
    }

    private static func userKnownHostsPaths(_ options: ConnectionOptions, _ settings: HostSettings) -> [String] {
        if let paths = options.userKnownHostsFiles { return paths }
        if let path = settings.knownHosts { return [path] }
        return ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"].map(ConnectionOptions.absolute)
    }

    private static func knownHostsPaths(_ options: ConnectionOptions, _ settings: HostSettings) -> [String] {
        userKnownHostsPaths(options, settings)
            + (options.globalKnownHostsFiles ?? ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"])
    }
}

extension KnownHostKey {
    fileprivate var wire: WireHostKey {
        .with {
            $0.type = type
            $0.blob = Data(blob)
            $0.origin = "\(file):\(line)"
        }
    }
}
