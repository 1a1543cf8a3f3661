/// One range in brackets: `N`, `N-M` or `N-M/STEP`, with leading zeros kept.
struct NumberRange: Hashable, Sendable {
    let first: UInt64
    let last: UInt64
    let step: UInt64
    /// Digits of each number, filled up with zeros; 0 when the numbers are not padded.
    let width: Int

    /// How many numbers it holds, at least 1; numbers have at most `HostIndex.maximumDigits` digits, so this fits.
    var count: Int {
        Int((last - first) / step) + 1
    }

    /// The numbers as they stand in host names, in order.
    var texts: [[UInt8]] {
        stride(from: first, through: last, by: UInt64.Stride(step)).map { text(of: $0) }
    }

    /// One of its numbers as it stands in host names.
    func text(of value: UInt64) -> [UInt8] {
        let digits = Array(String(value).utf8)
        return Array(repeating: ASCII.zero, count: max(0, width - digits.count)) + digits
    }
}
