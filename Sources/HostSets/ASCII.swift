/// The bytes that host patterns are made of.
enum ASCII {
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let at = UInt8(ascii: "@")
    static let colon = UInt8(ascii: ":")
    static let comma = UInt8(ascii: ",")
    static let dash = UInt8(ascii: "-")
    static let dot = UInt8(ascii: ".")
    static let percent = UInt8(ascii: "%")
    static let slash = UInt8(ascii: "/")
    static let zero = UInt8(ascii: "0")
    static let newline = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let hash = UInt8(ascii: "#")

    static func isDigit(_ byte: UInt8) -> Bool {
        byte >= zero && byte <= UInt8(ascii: "9")
    }

    static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }

    /// Letters, digits, `.`, `_`, `-`: what users, names, zones and roles are made of.
    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), dot, UInt8(ascii: "_"), dash: true
        default: false
        }
    }

    /// Word characters and the marks of an address: `:`, `%` (an IPv6 zone), `@` (behind a user).
    static func isAddress(_ byte: UInt8) -> Bool {
        isWord(byte) || byte == colon || byte == percent || byte == at
    }
}
