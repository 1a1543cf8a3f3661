import Coordinator

/// Cuts one host's stream into whole lines with the host in front, harmless for a terminal.
///
/// `\r\n` ends a line like `\n`. A line above ``lineLimit`` bytes is broken, so that a stream without newlines is shown
/// as it comes and never held in memory.
struct LineAssembler {
    /// The most bytes of a line that are held back for its end.
    static let lineLimit = 16 << 10

    private let prefix: [UInt8]
    private var pending: [UInt8] = []

    /// Lines of a host.
    init(host: String) { prefix = Array("\(host): ".utf8) }

    /// Takes bytes as they come and appends the lines that they complete.
    mutating func feed(_ bytes: [UInt8], into text: inout [UInt8]) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            pending.append(contentsOf: rest[..<end])
            emit(into: &text)
            rest = rest[(end + 1)...]
        }
        pending.append(contentsOf: rest)
        while pending.count > Self.lineLimit {
            let tail = Array(pending[Self.lineLimit...])
            pending.removeSubrange(Self.lineLimit...)
            emit(into: &text)
            pending = tail
        }
    }

    /// The stream has ended: what is left is a line too.
    mutating func finish(into text: inout [UInt8]) {
        if !pending.isEmpty { emit(into: &text) }
    }

    private mutating func emit(into text: inout [UInt8]) {
        if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
        text.append(contentsOf: prefix)
        Printable.append(pending, to: &text)
        text.append(UInt8(ascii: "\n"))
        pending.removeAll(keepingCapacity: true)
    }
}
