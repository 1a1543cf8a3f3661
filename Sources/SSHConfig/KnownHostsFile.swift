// Adds host keys to a known_hosts file, so that many may do it at once and none sees a torn file.
//
// Under a lock (flock) on the file: read it, leave out what is there already, append the rest in one write. When
// the write comes out short, the file is cut back to what it was. ssh-keygen -R replaces the file by rename, so
// after locking it is checked that the locked file is still the one at the path.

import Glibc

/// A host key to be written down.
public struct NewKnownHost: Sendable, Equatable {
    /// The host's name or address, without brackets.
    public var host: String
    /// The host's port.
    public var port: Int
    /// The key; its file and line are of no account.
    public var key: KnownHostKey

    /// Makes an entry.
    public init(host: String, port: Int, key: KnownHostKey) {
        self.host = host
        self.port = port
        self.key = key
    }
}

/// Appends to known_hosts files.
public enum KnownHostsFile {
    /// How long another program's lock is waited for.
    public static let lockTimeout: Duration = .seconds(10)
    private static let lockRetryMicroseconds: UInt32 = 10_000
    private static let reopenLimit = 100

    /// Adds the entries that are not there yet; makes the file (0600) and its folder (0700) if they are missing.
    ///
    /// - Returns: How many lines were written.
    /// - Throws: ``KnownHostsError``; the file is as it was.
    @discardableResult
    public static func append(
        _ entries: [NewKnownHost],
        hashed: Bool = false,
        to path: String
    ) throws(KnownHostsError) -> Int {
        let fd = try openLocked(path)
        defer { close(fd) }
        let before = try FileBytes.read(fd: fd, path: path, limit: KnownHosts.fileLimit)
        let lines = try newLines(entries, hashed: hashed, path: path, before: before)
        guard !lines.isEmpty else { return 0 }
        var text = lines.joined()
        if let last = before.last, last != ASCII.newline {
            text = "\n" + text
        }
        try write(Array(text.utf8), to: fd, path: path, size: before.count)
        return lines.count
    }

    private static func newLines(
        _ entries: [NewKnownHost],
        hashed: Bool,
        path: String,
        before: [UInt8]
    ) throws(KnownHostsError) -> [String] {
        var known = KnownHosts()
        known.parse(before, path: path)
        var lines: [String] = []
        for entry in entries {
            let name = KnownHosts.name(host: entry.host, port: entry.port)
            let match = known.lookup(name: name)
            if match.revoked.contains(where: { $0.type == entry.key.type && $0.blob == entry.key.blob }) {
                throw KnownHostsError(.revoked, path: path, context: "the key of \(name) is marked @revoked there")
            }
            if match.keys.contains(where: { $0.type == entry.key.type && $0.blob == entry.key.blob }) { continue }
            let line = try knownHostsLine(host: entry.host, port: entry.port, key: entry.key, hashed: hashed) + "\n"
            known.parse(Array(line.utf8), path: path)
            lines.append(line)
        }
        return lines
    }

    private static func openLocked(_ path: String) throws(KnownHostsError) -> Int32 {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        if !folder.isEmpty, mkdir(folder, 0o700) != 0, errno != EEXIST {
            throw KnownHostsError(.unwritable, path: path, context: "can't make its folder", underlying: errno)
        }
        for _ in 0..<reopenLimit {
            let fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o600)
            guard fd >= 0 else {
                throw KnownHostsError(.unwritable, path: path, context: "can't be opened to add to", underlying: errno)
            }
            do throws(KnownHostsError) {
                try lock(fd, path: path)
            } catch {
                close(fd)
                throw error
            }
            if isStill(fd, at: path) { return fd }
            close(fd)
        }
        throw KnownHostsError(.locked, path: path, context: "was replaced \(reopenLimit) times while waiting for it")
    }

    private static func lock(_ fd: Int32, path: String) throws(KnownHostsError) {
        let deadline = ContinuousClock.now + lockTimeout
        while flock(fd, LOCK_EX | LOCK_NB) != 0 {
            let reason = errno
            guard reason == EWOULDBLOCK || reason == EINTR else {
                throw KnownHostsError(.locked, path: path, context: "can't be locked", underlying: reason)
            }
            guard ContinuousClock.now < deadline else {
                throw KnownHostsError(.locked, path: path, context: "another program held its lock for \(lockTimeout)")
            }
            usleep(lockRetryMicroseconds)
        }
    }

    private static func isStill(_ fd: Int32, at path: String) -> Bool {
        var locked = stat()
        var named = stat()
        guard fstat(fd, &locked) == 0, stat(path, &named) == 0 else { return false }
        return locked.st_ino == named.st_ino && locked.st_dev == named.st_dev
    }

    /// One write; a file that took only part of it is cut back to `size`.
    static func write(_ bytes: [UInt8], to fd: Int32, path: String, size: Int) throws(KnownHostsError) {
        var written: Int
        repeat {
            written = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
        } while written < 0 && errno == EINTR
        guard written != bytes.count else { return }
        let reason = written < 0 ? errno : ENOSPC
        if written > 0, ftruncate(fd, size) != 0 {
            let context = "was left with part of a line, and can't be cut back"
            throw KnownHostsError(.unwritable, path: path, context: context, underlying: errno)
        }
        throw KnownHostsError(.unwritable, path: path, context: "can't be added to", underlying: reason)
    }
}

/// The line, without a newline, that says that a host at a port has a key.
///
/// - Throws: ``KnownHostsError`` with `unusableName` for a name that would read as something else, or is too long.
public func knownHostsLine(
    host: String,
    port: Int,
    key: KnownHostKey,
    hashed: Bool = false
) throws(KnownHostsError) -> String {
    let lowered = ASCII.lowercased(Array(host.utf8))
    let isUsable = lowered.allSatisfy { byte in
        (0x21...0x7E).contains(byte) && byte != ASCII.comma && byte != ASCII.hash && byte != ASCII.bar
            && byte != ASCII.at && !HostPatternList.special.contains(byte)
    }
    guard isUsable, !lowered.isEmpty, lowered.count <= hostNameLimit, lowered.first != UInt8(ascii: "[") else {
        let shown = host.unicodeScalars.prefix(60).map { $0.isASCII && $0.value >= 0x20 ? String($0) : "?" }.joined()
        throw KnownHostsError(.unusableName, path: "", context: "\"\(shown)\" can't stand in known_hosts as a host")
    }
    var name = KnownHosts.name(host: String(decoding: lowered, as: UTF8.self), port: port)
    if hashed {
        var random = SystemRandomNumberGenerator()
        let salt = (0..<SHA1.byteCount).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let code = HMACSHA1(key: salt).code(for: Array(name.utf8))
        name = "|1|\(Base64.encode(salt))|\(Base64.encode(code.bytes))"
    }
    return "\(name) \(key.type) \(Base64.encode(key.blob))"
}

/// The longest host name that is written, in bytes: above any DNS name and numeric address with a zone.
private let hostNameLimit = 300
