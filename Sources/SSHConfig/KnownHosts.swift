// known_hosts, read as OpenSSH reads it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
//
// Files are parsed once, into three places that a lookup asks in turn: a dictionary for plain names (nearly all
// lines of nearly all files), a list of lines with wildcards, negation or non-ASCII names, and a list of hashed
// lines, whose HMAC keys are set up while parsing. So plain names cost the same however long the file is; each
// hashed line costs two SHA-1 blocks per lookup.
//
// A bad line is collected in `problems` and hurts no other line. Matches come out in the order of the files.

/// The host keys that the known_hosts files hold.
public struct KnownHosts: Sendable {
    /// The longest line that is read, in bytes: room for a 16,384-bit RSA key and a host list.
    public static let lineLimit = 8192
    /// The largest file that is read, in bytes.
    public static let fileLimit = 64 << 20
    /// The most problems that are kept; the last of them says that there were more.
    public static let problemLimit = 1000
    /// The longest pattern in a host list, in bytes, as in OpenSSH.
    static let patternLimit = 1022

    /// Lines that could not be used, in the order they were met.
    public private(set) var problems: [KnownHostsProblem] = []

    private var entries: [Entry] = []
    private var entriesByName: [String: [Int]] = [:]
    private var patternLines: [PatternLine] = []
    private var hashedLines: [HashedLine] = []

    /// Knows no host.
    public init() {}

    /// Lines that were understood.
    public var count: Int { entries.count }

    /// Adds what a file holds; a file that is not there adds nothing.
    ///
    /// - Throws: ``KnownHostsError`` with `unreadable` or `tooLarge`; nothing was added then.
    public mutating func load(path: String) throws(KnownHostsError) {
        guard let bytes = try FileBytes.read(path: path, limit: KnownHosts.fileLimit) else { return }
        parse(bytes, path: path)
    }

    /// Adds the lines of `bytes`; `path` is the name that keys and problems carry.
    public mutating func parse(_ bytes: [UInt8], path: String) {
        bytes.withUnsafeBufferPointer { all in
            var start = 0
            var number = 0
            while start < all.count {
                let rest = UnsafeBufferPointer(rebasing: all[start...])
                let length = KnownHostsLine.length(of: rest)
                number += 1
                add(UnsafeBufferPointer(rebasing: rest[..<length]), path: path, line: number)
                start += length + 1
            }
        }
    }

    /// What is known of a host at a port.
    ///
    /// At a port other than 22 the name is `[host]:port`. OpenSSH takes a key of the bare name too, when that name has
    /// none of its own, but only in the host's favour: see ``KnownHostsMatch/keysWithoutPort``. Unlike OpenSSH, a key
    /// that is revoked for the bare name counts as revoked at every port.
    public func lookup(host: String, port: Int) -> KnownHostsMatch {
        let name = KnownHosts.name(host: host, port: port)
        var match = lookup(name: name)
        guard port != KnownHosts.defaultPort else { return match }
        let bare = lookup(name: host)
        match.revoked.append(contentsOf: bare.revoked.filter { !match.revoked.contains($0) })
        if match.keys.isEmpty {
            match.keysWithoutPort = bare.keys
        }
        return match
    }

    /// What is known of a name exactly as known_hosts has it, `host` or `[host]:port`; letter case is ignored.
    public func lookup(name: String) -> KnownHostsMatch {
        let lowered = ASCII.lowercased(Array(name.utf8))
        var found = entriesByName[String(decoding: lowered, as: UTF8.self)] ?? []
        let plainCount = found.count
        found.append(contentsOf: patternLines.lazy.filter { $0.matches(lowered) }.map(\.entry))
        found.append(contentsOf: hashedLines.lazy.filter { $0.matches(lowered) }.map(\.entry))
        if found.count > plainCount {
            found.sort()
        }
        var match = KnownHostsMatch()
        for index in found {
            match.add(entries[index])
        }
        return match
    }

    /// The port whose names stand without a port.
    public static let defaultPort = 22

    /// The name that known_hosts has for a host at a port.
    public static func name(host: String, port: Int) -> String {
        port == defaultPort ? host : "[\(host)]:\(port)"
    }

    private mutating func add(_ line: UnsafeBufferPointer<UInt8>, path: String, line number: Int) {
        do throws(KnownHostsLine.Fault) {
            guard let parsed = try KnownHostsLine(line) else { return }
            let index = entries.count
            entries.append(
                Entry(
                    marker: parsed.marker,
                    key: KnownHostKey(type: parsed.keyType.rawValue, blob: parsed.blob, file: path, line: number)
                )
            )
            switch parsed.hosts {
            case .plain(let names):
                for name in names where entriesByName[name, default: []].last != index {
                    entriesByName[name, default: []].append(index)
                }
            case .patterns(let list):
                patternLines.append(PatternLine(list: list, entry: index))
            case .hashed(let mac, let hash):
                hashedLines.append(HashedLine(mac: mac, hash: hash, entry: index))
            }
        } catch {
            note(error.message, path: path, line: number)
        }
    }

    private mutating func note(_ message: String, path: String, line: Int) {
        if problems.count < KnownHosts.problemLimit - 1 {
            problems.append(KnownHostsProblem(file: path, line: line, message: message))
        } else if problems.count == KnownHosts.problemLimit - 1 {
            let message = "\(message); problems from here on are not listed"
            problems.append(KnownHostsProblem(file: path, line: line, message: message))
        }
    }
}

extension KnownHosts {
    /// A line's key, and what the line says about it.
    struct Entry: Sendable {
        var marker: KnownHostsLine.Marker
        var key: KnownHostKey
    }

    /// A line whose host list has to be matched pattern by pattern.
    private struct PatternLine: Sendable {
        var list: HostPatternList
        var entry: Int

        func matches(_ name: [UInt8]) -> Bool { list.matches(name) }
    }

    /// A line whose one host is hidden behind a salted hash.
    private struct HashedLine: Sendable {
        var mac: HMACSHA1
        var hash: SHA1
        var entry: Int

        func matches(_ name: [UInt8]) -> Bool { mac.code(for: name) == hash }
    }
}

/// What known_hosts says about one host.
public struct KnownHostsMatch: Sendable, Equatable {
    /// Keys that the host may show. When there are some, any other key is a changed one.
    public var keys: [KnownHostKey] = []
    /// Keys that the host must never show.
    public var revoked: [KnownHostKey] = []
    /// Authorities whose certificates the host may show.
    public var certificateAuthorities: [KnownHostKey] = []
    /// Keys of the name without its port; only when `keys` is empty. One of them is accepted, and another key makes
    /// the host a new one, not a changed one.
    public var keysWithoutPort: [KnownHostKey] = []

    /// Whether no line speaks of the host.
    public var isEmpty: Bool {
        keys.isEmpty && revoked.isEmpty && certificateAuthorities.isEmpty && keysWithoutPort.isEmpty
    }

    fileprivate mutating func add(_ entry: KnownHosts.Entry) {
        switch entry.marker {
        case .none: keys.append(entry.key)
        case .revoked: revoked.append(entry.key)
        case .certificateAuthority: certificateAuthorities.append(entry.key)
        }
    }
}

/// One host key and the line it stands on.
public struct KnownHostKey: Sendable, Equatable {
    /// The name of the key type, such as `ssh-ed25519`.
    public var type: String
    /// The public key as it travels: RFC 4253, section 6.6.
    public var blob: [UInt8]
    /// The file it was read from.
    public var file: String
    /// The line in that file, from 1 on.
    public var line: Int

    /// Makes a key; `file` and `line` say where it comes from.
    public init(type: String, blob: [UInt8], file: String, line: Int) {
        self.type = type
        self.blob = blob
        self.file = file
        self.line = line
    }
}

/// A line of known_hosts that could not be used.
public struct KnownHostsProblem: Sendable, Equatable, CustomStringConvertible {
    /// The file it stands in.
    public var file: String
    /// The line in that file, from 1 on.
    public var line: Int
    /// What is wrong, without control characters.
    public var message: String

    /// Makes a problem.
    public init(file: String, line: Int, message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    /// `FILE:LINE: message`.
    public var description: String { "\(file):\(line): \(message); the line is ignored" }
}
