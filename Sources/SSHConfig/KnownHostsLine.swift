// One line of known_hosts: `[@marker] hosts keytype base64 [comment]`.
//
// The host list is a comma-separated list of patterns, or one `|1|salt|hash`. A blank line and a comment are no
// line at all. Everything else that does not fit is a fault with a reason for a person; the key's bytes are
// checked far enough that a cut or garbled key is seen here and not as a changed key later.

import Glibc

/// A line that was understood.
struct KnownHostsLine {
    /// What a line says about its key.
    enum Marker {
        case none
        case revoked
        case certificateAuthority
    }

    /// The hosts that a line speaks of.
    enum Hosts {
        /// Lower-case ASCII names without anything special in them.
        case plain([String])
        case patterns(HostPatternList)
        case hashed(HMACSHA1, SHA1)
    }

    /// Why a line can't be used.
    struct Fault: Error {
        var message: String
    }

    var marker: Marker
    var hosts: Hosts
    var keyType: HostKeyType
    var blob: [UInt8]

    /// The bytes before the next newline, or all of them.
    static func length(of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        guard let base = bytes.baseAddress, let newline = memchr(base, Int32(ASCII.newline), bytes.count) else {
            return bytes.count
        }
        return UnsafeRawPointer(newline) - UnsafeRawPointer(base)
    }

    /// Reads a line without its newline; nil for a blank one and a comment.
    init?(_ line: UnsafeBufferPointer<UInt8>) throws(Fault) {
        var fields = Fields(line)
        guard let first = fields.next(), first.first != ASCII.hash else { return nil }
        guard line.count <= KnownHosts.lineLimit else {
            throw Fault(message: "a line of \(line.count) bytes, above \(KnownHosts.lineLimit)")
        }
        guard !line.contains(0) else { throw Fault(message: "a NUL byte in the line") }
        var hosts = first
        marker = .none
        if first.first == ASCII.at {
            marker = try KnownHostsLine.marker(first)
            guard let next = fields.next() else { throw Fault(message: "nothing follows the marker") }
            hosts = next
            guard hosts.first != ASCII.at else { throw Fault(message: "more than one marker") }
        }
        guard let type = fields.next(), type.first != ASCII.hash else {
            throw Fault(message: "no key follows the host list")
        }
        guard let base64 = fields.next(), base64.first != ASCII.hash else {
            throw Fault(message: "no key follows the key type")
        }
        (keyType, blob) = try KnownHostsLine.key(type: type, base64: base64)
        self.hosts =
            hosts.first == ASCII.bar ? try KnownHostsLine.hashed(hosts) : try KnownHostsLine.list(hosts)
    }

    private static func marker(_ field: UnsafeBufferPointer<UInt8>) throws(Fault) -> Marker {
        switch String(decoding: field, as: UTF8.self) {
        case "@revoked": return .revoked
        case "@cert-authority": return .certificateAuthority
        case let other: throw Fault(message: "unknown marker \(quoted(other))")
        }
    }

    private static func key(
        type: UnsafeBufferPointer<UInt8>,
        base64: UnsafeBufferPointer<UInt8>
    ) throws(Fault) -> (HostKeyType, [UInt8]) {
        let name = String(decoding: type, as: UTF8.self)
        guard let keyType = HostKeyType(rawValue: name) else {
            let isVersion1 = type.allSatisfy { ASCII.digits.contains($0) }
            throw Fault(message: isVersion1 ? "a key of SSH protocol 1" : "unknown key type \(quoted(name))")
        }
        guard let blob = Base64.decode(base64) else { throw Fault(message: "the key is not valid base64") }
        guard keyType.accepts(blob) else { throw Fault(message: "the key is not a whole \(name) key") }
        return (keyType, blob)
    }

    private static func hashed(_ field: UnsafeBufferPointer<UInt8>) throws(Fault) -> Hosts {
        let parts = field.split(separator: ASCII.bar, maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, parts[1].elementsEqual([ASCII.one]) else {
            throw Fault(message: "a hashed host that is not |1|salt|hash")
        }
        guard let salt = Base64.decode(UnsafeBufferPointer(rebasing: parts[2])), salt.count == SHA1.byteCount,
            let bytes = Base64.decode(UnsafeBufferPointer(rebasing: parts[3])), let hash = SHA1(digest: bytes)
        else {
            throw Fault(message: "a hashed host whose salt or hash is not \(SHA1.byteCount) bytes of base64")
        }
        return .hashed(HMACSHA1(key: salt), hash)
    }

    private static func list(_ field: UnsafeBufferPointer<UInt8>) throws(Fault) -> Hosts {
        let lowered = ASCII.lowercased(Array(field))
        let parts = lowered.split(separator: ASCII.comma)
        if let long = parts.first(where: { $0.count > KnownHosts.patternLimit }) {
            throw Fault(message: "a host pattern of \(long.count) bytes, above \(KnownHosts.patternLimit)")
        }
        guard !parts.isEmpty else { throw Fault(message: "an empty host list") }
        let isPlain = lowered.allSatisfy { $0 < 0x80 && !HostPatternList.special.contains($0) }
        if isPlain {
            return .plain(parts.map { String(decoding: $0, as: UTF8.self) })
        }
        return .patterns(HostPatternList(parts.map { Array($0) }))
    }

    /// Text from the file as it may stand in a message: short, and nothing that a terminal would act on.
    private static func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(40).map { $0.value < 0x20 || $0.value > 0x7E ? "?" : String($0) }
        return "\"" + shown.joined() + "\""
    }
}

/// The fields of a line, parted by spaces and tabs; a carriage return before the newline is not part of the last.
private struct Fields {
    private let line: UnsafeBufferPointer<UInt8>
    private var position = 0

    init(_ line: UnsafeBufferPointer<UInt8>) {
        let end = line.last == ASCII.carriageReturn ? line.count - 1 : line.count
        self.line = UnsafeBufferPointer(rebasing: line[..<end])
    }

    mutating func next() -> UnsafeBufferPointer<UInt8>? {
        while position < line.count, ASCII.isBlank(line[position]) {
            position += 1
        }
        guard position < line.count else { return nil }
        let start = position
        while position < line.count, !ASCII.isBlank(line[position]) {
            position += 1
        }
        return UnsafeBufferPointer(rebasing: line[start..<position])
    }
}
