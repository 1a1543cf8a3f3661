/// What `coord-agent` was called with.
enum AgentArguments: Equatable {
    /// Started by a coordinator on this machine: listen on this ipc path, end with the coordinator.
    case local(name: String, socketPath: String)
    /// Print this and exit.
    case print(String)

    static let usage = """
        usage: coord-agent --local SOCKET --name NAME
               coord-agent --version

        An agent of coord: runs tasks on hosts over SSH, one worker process for each host, as a coordinator tells it.
        `coord run` starts its local agents itself; there is no need to call this by hand.

          --local SOCKET   listen on this path (at most 100 bytes, in a folder that only you can enter)
          --name NAME      what the agent is called in process titles and results
          --version        print the version and the protocol's version
        """

    /// The longest path that fits sockaddr_un beside what ZeroMQ adds.
    static let socketPathLimit = 100

    /// Reads the command line without its first word.
    ///
    /// - Throws: ``AgentUsageError``.
    static func parse(_ words: [String], version: String) throws(AgentUsageError) -> AgentArguments {
        var name: String?
        var socketPath: String?
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": return .print(usage)
            case "--version": return .print(version)
            case "--local": socketPath = try value(of: word, &rest)
            case "--name": name = try value(of: word, &rest)
            default: throw AgentUsageError(message: "unknown argument '\(word)'")
            }
        }
        guard let socketPath else { throw AgentUsageError(message: "--local SOCKET is missing") }
        guard let name else { throw AgentUsageError(message: "--name NAME is missing") }
        guard socketPath.utf8.count <= socketPathLimit else {
            throw AgentUsageError(
                message: "the socket's path has \(socketPath.utf8.count) bytes, at most \(socketPathLimit) fit"
            )
        }
        return .local(name: name, socketPath: socketPath)
    }

    private static func value(of flag: String, _ rest: inout ArraySlice<String>) throws(AgentUsageError) -> String {
        guard let value = rest.popFirst(), !value.isEmpty else {
            throw AgentUsageError(message: "\(flag) needs a value")
        }
        return value
    }
}

/// A command line that makes no sense.
struct AgentUsageError: Error, Equatable {
    let message: String
}
