/// Base64 with padding and nothing else: RFC 4648, section 4.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")
    private static let invalid: UInt8 = 0xFF
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: invalid, count: 256)
        for (value, byte) in alphabet.enumerated() {
            values[Int(byte)] = UInt8(value)
        }
        return values
    }()

    /// The bytes that the text stands for; nil when a byte, the length or the padding is wrong.
    static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard !text.isEmpty, text.count.isMultiple(of: 4) else { return nil }
        let paddingCount = text[text.count - 1] != padding ? 0 : text[text.count - 2] != padding ? 1 : 2
        let end = text.count - paddingCount
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        return values.withUnsafeBufferPointer { values in
            var group: UInt32 = 0
            for index in 0..<text.count {
                let value = index < end ? values[Int(text[index])] : 0
                if value == invalid { return nil }
                group = group << 6 | UInt32(value)
                if index & 3 == 3 {
                    bytes.append(UInt8(truncatingIfNeeded: group >> 16))
                    bytes.append(UInt8(truncatingIfNeeded: group >> 8))
                    bytes.append(UInt8(truncatingIfNeeded: group))
                }
            }
            bytes.removeLast(paddingCount)
            return bytes
        }
    }

    /// The text for some bytes.
    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let end = min(start + 3, bytes.count)
            let group = bytes[start..<end].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - (end - start)))
            for position in 0..<4 {
                let value = Int(group >> UInt32(18 - 6 * position)) & 63
                text.append(position <= end - start ? alphabet[value] : padding)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
