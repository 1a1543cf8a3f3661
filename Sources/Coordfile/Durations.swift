/// Why a text is not a duration.
public struct DurationError: Error, Sendable, CustomStringConvertible, Equatable {
    /// What was read; control characters are escaped.
    public let text: String

    /// What is wrong with it.
    public let message: String

    /// What to write instead.
    public let hint: String

    /// One line: the text, what is wrong, what to write.
    public var description: String { "\(text) \(message); \(hint)" }

    init(_ text: String, _ message: String, hint: String = "write it as 500ms, 10s, 5m or 1h") {
        self.text = printable(quoted(text))
        self.message = printable(message)
        self.hint = printable(hint)
    }
}

/// Reads a duration as the task file and the command line write it: `500ms`, `10s`, `1.5m`, `1h`.
///
/// Whole milliseconds from 1 ms up to 365 days; one number and one unit.
///
/// - Throws: `DurationError` for anything else, a number without a unit among it.
public func parseDuration(_ text: String) throws(DurationError) -> Duration {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = text[digits.endIndex...]
    guard !digits.isEmpty else { throw DurationError(text, "is not a duration") }
    guard !unit.isEmpty else {
        throw DurationError(text, "has no unit", hint: "write \(quoted(text + "s")) for seconds")
    }
    let milliseconds: Int
    switch unit {
    case "ms": milliseconds = 1
    case "s": milliseconds = 1000
    case "m": milliseconds = 60_000
    case "h": milliseconds = 3_600_000
    default: throw DurationError(text, "has no unit that is known here")
    }
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else { throw DurationError(text, "is not a number") }

    // Twelve digits of the largest unit and nine behind the point stay far below 2^63.
    guard parts[0].count <= 12, let whole = Int(parts[0]) else { throw DurationError.tooLong(text) }
    var total = whole * milliseconds
    if parts.count == 2 {
        let digits = parts[1].drop(while: { $0 == "0" })
        let scale = parts[1].reduce(into: 1) { scale, _ in scale = min(scale * 10, 1_000_000_000) }
        guard parts[1].count <= 9, let fraction = Int(digits.isEmpty ? "0" : digits),
            fraction * milliseconds % scale == 0
        else {
            throw DurationError(text, "is finer than a millisecond", hint: "durations are whole milliseconds")
        }
        total += fraction * milliseconds / scale
    }
    guard total > 0 else { throw DurationError(text, "is no time at all", hint: "the shortest duration is 1ms") }
    guard total <= longestDuration else { throw DurationError.tooLong(text) }
    return .milliseconds(total)
}

/// 365 days in milliseconds: no run is meant to take longer, and sums of a few still fit every clock.
private let longestDuration = 365 * 24 * 3_600_000

extension DurationError {
    fileprivate static func tooLong(_ text: String) -> DurationError {
        DurationError(text, "is longer than 365 days", hint: "leave the setting out for no limit")
    }
}
