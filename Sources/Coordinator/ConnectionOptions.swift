// How the command line says hosts are reached. What it says stands before the task file's settings and defaults, and
// behind what is written with a host itself (`deploy@web1:2222`), as a Fabric host string stands before env.user.
// `-o` takes OpenSSH's names; one that can't be honoured is refused, never ignored.

import Coordfile
import Foundation

/// The command line's word on connections.
public struct ConnectionOptions: Sendable, Equatable {
    /// `-u`, `-o User=`.
    public var user: String?
    /// `-p`, `-o Port=`.
    public var port: Int?
    /// `-i`, `-o IdentityFile=`; absolute paths.
    public var identityFiles: [String] = []
    /// `-o IdentitiesOnly=`: of the ssh-agent's keys offer only those that belong to an identity file.
    public var identitiesOnly = false
    /// `-o IdentityAgent=`: an ssh-agent's socket, or `none`; empty: `SSH_AUTH_SOCK`.
    public var identityAgent = ""
    /// `-t`, `-o ConnectTimeout=`: name, TCP, key exchange and login together.
    public var connectTimeout: Duration?
    /// `-o UserKnownHostsFile=`; absolute paths.
    public var userKnownHostsFiles: [String]?
    /// `-o GlobalKnownHostsFile=`; absolute paths.
    public var globalKnownHostsFiles: [String]?
    /// `-o StrictHostKeyChecking=`.
    public var hostKeyPolicy = HostKeyPolicy.strict
    /// `-o ServerAliveInterval=`: seconds without a byte before a host is asked for a sign of life; 0: never asked.
    public var aliveInterval = 15
    /// `-o ServerAliveCountMax=`: questions without an answer before the connection is lost.
    public var aliveCountMax = 3

    /// What to do with a host whose key is not known.
    public enum HostKeyPolicy: Sendable, Equatable {
        /// Refuse it.
        case strict
        /// Take it and write it down.
        case acceptNew
        /// Take any key of a host that is not known; a known host's other key is refused still. Loud.
        case off
    }

    /// The default of `-t`.
    public static let defaultConnectTimeout = Duration.seconds(10)

    /// Nothing said.
    public init() {}

    private static let optionNames = [
        "ConnectTimeout", "GlobalKnownHostsFile", "IdentitiesOnly", "IdentityAgent", "IdentityFile", "Port",
        "ServerAliveCountMax", "ServerAliveInterval", "StrictHostKeyChecking", "User", "UserKnownHostsFile",
    ]

    /// Takes one `-o KEY=VALUE` (or `KEY VALUE`), names in any case. As in ssh(1) the first value of a name wins, except
    /// `IdentityFile`, which adds up.
    ///
    /// - Throws: ``CoordinatorError`` (`usage`) for an unknown name or a value that makes no sense.
    public mutating func takeAll(_ options: [String]) throws(CoordinatorError) {
        var seen: Set<String> = []
        for text in options {
            let (name, value) = try Self.split(text)
            guard seen.insert(name).inserted || name == "IdentityFile" else { continue }
            try take(name, value)
        }
    }

    private static func split(_ text: String) throws(CoordinatorError) -> (name: String, value: String) {
        let written = text.prefix { $0 != "=" && $0 != " " && $0 != "\t" }
        var rest = text[written.endIndex...].drop { $0 == " " || $0 == "\t" }
        if rest.first == "=" { rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" } }
        guard let name = optionNames.first(where: { $0.lowercased() == written.lowercased() }) else {
            let near = nearest(String(written), among: optionNames)
            throw CoordinatorError(
                .usage,
                "-o \(Printable.line(text, limit: 100)): this version does not carry this option out; "
                    + (near.map { "did you mean \($0)? " } ?? "") + "it knows " + optionNames.joined(separator: ", ")
            )
        }
        guard !rest.isEmpty else { throw CoordinatorError(.usage, "-o \(name) has no value; write -o \(name)=VALUE") }
        return (name, String(rest))
    }

    private mutating func take(_ name: String, _ value: String) throws(CoordinatorError) {
        switch name {
        case "User": if user == nil { user = value }
        case "Port": if port == nil { port = try Self.number(name, value, in: 1...65535) }
        case "IdentityFile": identityFiles.append(Self.absolute(value))
        case "IdentitiesOnly": identitiesOnly = try Self.flag(name, value)
        case "IdentityAgent":
            identityAgent = value == "none" || value == "SSH_AUTH_SOCK" ? value : Self.absolute(value)
            if value == "SSH_AUTH_SOCK" { identityAgent = "" }
        case "ConnectTimeout":
            let seconds = try Self.number(name, value, in: 1...86400)
            if connectTimeout == nil { connectTimeout = .seconds(seconds) }
        case "UserKnownHostsFile": userKnownHostsFiles = Self.paths(value)
        case "GlobalKnownHostsFile": globalKnownHostsFiles = Self.paths(value)
        case "ServerAliveInterval": aliveInterval = try Self.number(name, value, in: 0...86400)
        case "ServerAliveCountMax": aliveCountMax = try Self.number(name, value, in: 1...1000)
        case "StrictHostKeyChecking":
            switch value.lowercased() {
            case "yes": hostKeyPolicy = .strict
            case "accept-new": hostKeyPolicy = .acceptNew
            case "no", "off": hostKeyPolicy = .off
            default:
                throw CoordinatorError(
                    .usage,
                    "-o StrictHostKeyChecking=\(Printable.line(value, limit: 40)): write yes, accept-new or no"
                )
            }
        default: throw CoordinatorError(.internal, "the option \(name) is listed and not carried out")
        }
    }

    private static func number(
        _ name: String,
        _ value: String,
        in range: ClosedRange<Int>
    ) throws(CoordinatorError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw CoordinatorError(
                .usage,
                "-o \(name)=\(Printable.line(value, limit: 40)): write a number from \(range.lowerBound) to "
                    + "\(range.upperBound)"
            )
        }
        return number
    }

    private static func flag(_ name: String, _ value: String) throws(CoordinatorError) -> Bool {
        switch value.lowercased() {
        case "yes", "true": return true
        case "no", "false": return false
        default:
            throw CoordinatorError(.usage, "-o \(name)=\(Printable.line(value, limit: 40)): write yes or no")
        }
    }

    private static func paths(_ value: String) -> [String] {
        let words = value.split { $0 == " " || $0 == "\t" }.map(String.init)
        return words == ["none"] ? [] : words.map(absolute)
    }

    /// `~/` is the home folder; a relative path is taken from the current folder.
    public static func absolute(_ path: String) -> String {
        if path == "~" || path.hasPrefix("~/") {
            let home = ProcessInfo.processInfo.environment["HOME"] ?? NSHomeDirectory()
            return home + path.dropFirst()
        }
        if path.hasPrefix("/") { return path }
        return FileManager.default.currentDirectoryPath + "/" + path
    }
}
