/// The bytes that known_hosts gives a meaning to.
enum ASCII {
    static let tab: UInt8 = 0x09
    static let newline: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let bang: UInt8 = 0x21
    static let hash: UInt8 = 0x23
    static let star: UInt8 = 0x2A
    static let comma: UInt8 = 0x2C
    static let one: UInt8 = 0x31
    static let question: UInt8 = 0x3F
    static let at: UInt8 = 0x40
    static let bar: UInt8 = 0x7C
    static let digits: ClosedRange<UInt8> = 0x30...0x39

    /// Space or tab.
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// A to Z made small; all other bytes as they are, whatever the locale.
    static func lowercased(_ bytes: [UInt8]) -> [UInt8] {
        bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }
}
