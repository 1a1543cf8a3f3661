import Glibc

/// Why a known_hosts file could not be read or written.
public struct KnownHostsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// The file is there and can't be read.
        case unreadable
        /// The file is above ``KnownHosts/fileLimit``.
        case tooLarge
        /// The line could not be added; the file is as it was.
        case unwritable
        /// Another program held the file's lock for too long.
        case locked
        /// The host name can't stand in known_hosts.
        case unusableName
        /// The key is marked `@revoked` for this host.
        case revoked
    }

    /// What went wrong.
    public var code: Code
    /// The file; empty when none was involved.
    public var path: String
    /// What was tried, and what to do next.
    public var context: String
    /// The `errno` behind it; 0 for none.
    public var underlying: Int32

    /// Makes an error.
    public init(_ code: Code, path: String, context: String, underlying: Int32 = 0) {
        self.code = code
        self.path = path
        self.context = context
        self.underlying = underlying
    }

    /// `FILE: what happened: the system's reason`.
    public var description: String {
        let place = path.isEmpty ? "" : "\(path): "
        let reason = underlying == 0 ? "" : ": \(String(cString: strerror(underlying)))"
        return place + context + reason
    }
}
