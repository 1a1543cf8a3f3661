/// A run of digits in a host name: its value and how many digits it is written with.
///
/// Ordered by digits, then value: `1`, `2`, `01`, `10`. Both are packed into one word, so that sorting is cheap.
struct HostIndex: Hashable, Comparable, Sendable {
    /// Longer runs of digits are text: 57 bits hold every value of 17 digits, the count of digits stands above them.
    static let maximumDigits = 17
    private static let valueBits: UInt64 = 57

    private let packed: UInt64

    /// - Precondition: `digits` is in 1...`maximumDigits`, and `value` has no more digits than that.
    init(value: UInt64, digits: Int) {
        precondition((1...Self.maximumDigits).contains(digits))
        packed = UInt64(digits) << Self.valueBits | value
    }

    var value: UInt64 {
        packed & (1 << Self.valueBits - 1)
    }

    var digits: Int {
        Int(packed >> Self.valueBits)
    }

    /// Whether it is written with leading zeros.
    var isPadded: Bool {
        digits > 1 && value < Self.powersOfTen[digits - 1]
    }

    /// As it stands in the host name.
    func append(to bytes: inout [UInt8]) {
        var power = Self.powersOfTen[digits - 1]
        while power > 0 {
            bytes.append(ASCII.zero + UInt8(value / power % 10))
            power /= 10
        }
    }

    /// Whether its text stands before the other's in a dictionary: `10` before `9`.
    func textPrecedes(_ other: HostIndex) -> Bool {
        // Shift both to the same length; on a tie the shorter text is the other's beginning, so it comes first.
        let mine = value * Self.powersOfTen[Self.maximumDigits - digits]
        let others = other.value * Self.powersOfTen[Self.maximumDigits - other.digits]
        return mine == others ? digits < other.digits : mine < others
    }

    static func < (left: HostIndex, right: HostIndex) -> Bool {
        left.packed < right.packed
    }

    private static let powersOfTen: [UInt64] = (0...maximumDigits).map { exponent in
        (0..<exponent).reduce(1) { power, _ in power * 10 }
    }
}
