/// Bytes of hosts, made harmless for terminals and logs.
///
/// What moves a cursor, changes colours, or reorders text (ECMA-48 controls, Unicode bidi controls) is shown as an
/// escape; bytes that are not UTF-8 as `\xNN`. Nothing is dropped. Harmless text, backslashes among it, stays as it is.
public enum Printable {
    /// Appends `bytes` to `text` in their harmless form. Tabs stay; a newline is shown as `\n`.
    public static func append(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        var decoder = UTF8Decoder()
        for byte in bytes { decoder.feed(byte, into: &text) }
        decoder.finish(into: &text)
    }

    /// One harmless line of at most `limit` characters.
    public static func line(_ text: String, limit: Int) -> String {
        var bytes: [UInt8] = []
        append(text.utf8.prefix(limit * 4), to: &bytes)
        return String(String(decoding: bytes, as: UTF8.self).prefix(limit))
    }

    /// Checks UTF-8 as it comes, by the table of well-formed byte sequences (Unicode 15, table 3-7).
    private struct UTF8Decoder {
        private var pending: [UInt8] = []
        private var missing = 0
        private var allowed: ClosedRange<UInt8> = 0x80...0xbf

        mutating func feed(_ byte: UInt8, into text: inout [UInt8]) {
            if missing > 0 {
                guard allowed.contains(byte) else {
                    finish(into: &text)
                    return feed(byte, into: &text)
                }
                pending.append(byte)
                missing -= 1
                allowed = 0x80...0xbf
                if missing == 0 {
                    Printable.appendScalar(pending, to: &text)
                    pending.removeAll(keepingCapacity: true)
                }
                return
            }
            switch byte {
            case 0x20...0x7e, 0x09: text.append(byte)
            case 0xc2...0xdf: begin(byte, 1, 0x80...0xbf)
            case 0xe0: begin(byte, 2, 0xa0...0xbf)
            case 0xed: begin(byte, 2, 0x80...0x9f)
            case 0xe1...0xef: begin(byte, 2, 0x80...0xbf)
            case 0xf0: begin(byte, 3, 0x90...0xbf)
            case 0xf1...0xf3: begin(byte, 3, 0x80...0xbf)
            case 0xf4: begin(byte, 3, 0x80...0x8f)
            default: Printable.appendEscape(byte, to: &text)
            }
        }

        mutating func finish(into text: inout [UInt8]) {
            for byte in pending { Printable.appendEscape(byte, to: &text) }
            pending.removeAll(keepingCapacity: true)
            missing = 0
        }

        private mutating func begin(_ byte: UInt8, _ count: Int, _ range: ClosedRange<UInt8>) {
            pending.append(byte)
            missing = count
            allowed = range
        }
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    private static func appendEscape(_ byte: UInt8, to text: inout [UInt8]) {
        switch byte {
        case 0x0a: text.append(contentsOf: "\\n".utf8)
        case 0x0d: text.append(contentsOf: "\\r".utf8)
        default:
            text.append(contentsOf: "\\x".utf8)
            text.append(hexDigits[Int(byte >> 4)])
            text.append(hexDigits[Int(byte & 15)])
        }
    }

    /// A well-formed sequence of more than one byte: as it is, unless it controls how text is shown.
    private static func appendScalar(_ bytes: [UInt8], to text: inout [UInt8]) {
        let scalar = String(decoding: bytes, as: UTF8.self).unicodeScalars.first?.value ?? 0
        let isControl =
            switch scalar {
            case 0x80...0x9f, 0x061c, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x2069, 0xfeff, 0xfff9...0xfffb,
                0xe0000...0xe007f:
                true
            default: false
            }
        if isControl {
            text.append(contentsOf: "\\u{\(String(scalar, radix: 16))}".utf8)
        } else {
            text.append(contentsOf: bytes)
        }
    }
}
