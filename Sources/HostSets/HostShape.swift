/// A host name cut into text and numbers; one value is used for many names, to keep its buffers.
struct HostShape {
    /// The text with `%s` for each number and `%%` for each `%`: what families are told apart and sorted by, since
    /// nodeset's order comes from such keys.
    private(set) var key: [UInt8] = []
    /// The text before each number, and behind the last one.
    private(set) var texts: [[UInt8]] = [[]]
    private(set) var indices: [HostIndex] = []

    mutating func read(_ host: String) {
        key.removeAll(keepingCapacity: true)
        texts = [[]]
        indices.removeAll(keepingCapacity: true)
        let bytes = Array(host.utf8)
        var position = 0
        while position < bytes.count {
            let end = Self.end(of: bytes, from: position)
            let piece = bytes[position..<end]
            if ASCII.isDigit(bytes[position]), piece.count <= HostIndex.maximumDigits {
                let value = piece.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - ASCII.zero) }
                indices.append(HostIndex(value: value, digits: piece.count))
                texts.append([])
                key.append(ASCII.percent)
                key.append(UInt8(ascii: "s"))
            } else {
                texts[texts.count - 1] += piece
                for byte in piece {
                    key.append(byte)
                    if byte == ASCII.percent {
                        key.append(byte)
                    }
                }
            }
            position = end
        }
    }

    /// Where the piece that begins at `start` ends: digits, a bracketed address, or anything else.
    private static func end(of bytes: [UInt8], from start: Int) -> Int {
        let rest = bytes[start...]
        if ASCII.isDigit(bytes[start]) {
            return rest.firstIndex { !ASCII.isDigit($0) } ?? bytes.count
        }
        if bytes[start] == ASCII.openBracket {
            return rest.firstIndex(of: ASCII.closeBracket).map { $0 + 1 } ?? bytes.count
        }
        return rest.dropFirst().firstIndex { ASCII.isDigit($0) || $0 == ASCII.openBracket } ?? bytes.count
    }
}
