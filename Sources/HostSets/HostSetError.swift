/// Why a host, a host pattern or a hosts file was refused; `description` is one line that can be shown as it is.
public struct HostSetError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, for programs.
    public enum Code: String, Hashable, Sendable {
        /// Nothing was named.
        case empty
        /// A character that no host, user or pattern has.
        case invalidCharacter
        /// Two names with only a space between them.
        case missingOperator
        /// An operator without a host on one of its sides.
        case missingOperand
        /// A bracket that is not closed, not opened, or stands where none can.
        case invalidBracket
        /// A range in brackets that is not `N`, `N-M` or `N-M/STEP`.
        case invalidRange
        /// A role reference that is not `@name`, or a role where there are none.
        case invalidRole
        /// A user name that is empty or can't be one.
        case invalidUser
        /// A host name that is empty or can't be one.
        case invalidName
        /// A port outside 1...65535.
        case invalidPort
        /// The text is longer than its limit.
        case tooLong
        /// More hosts than the limit.
        case tooManyHosts
    }

    /// What is wrong.
    public let code: Code
    /// The whole pattern that was refused, as it was given.
    public let text: String
    /// Where in `text` it is wrong, in bytes from 0; nil when it is wrong as a whole.
    public let offset: Int?
    /// What is wrong and what to do about it; no control characters.
    public let message: String
    /// Where the pattern came from, if not from the caller itself: `FILE:LINE`, or the role.
    public let location: String?

    /// An error about `text`; `message` must not hold text that was not made harmless.
    public init(code: Code, text: String, offset: Int?, message: String, location: String? = nil) {
        self.code = code
        self.text = text
        self.offset = offset
        self.message = message
        self.location = location
    }

    /// One line: where it came from, pattern (shortened around the fault), column from 1, what to do.
    public var description: String {
        let place = location.map { "\(HarmlessText.showWhole($0)): " } ?? ""
        let column = offset.map { ", column \($0 + 1)" } ?? ""
        return "\(place)host pattern '\(HarmlessText.show(text, around: offset ?? 0))'\(column): \(message)"
    }

    /// The same error, for a pattern that was found at `location`.
    public func located(at location: String) -> HostSetError {
        HostSetError(code: code, text: text, offset: offset, message: message, location: location)
    }
}

/// Text of unknown origin, made fit for one line of a message.
enum HarmlessText {
    /// Long enough to recognise a pattern, short enough to keep a message on one or two terminal lines.
    private static let maximumLength = 72
    /// How much stands before the fault when a long text is cut.
    private static let context = 24

    /// Printable ASCII as it is, all else as `\u{HEX}`; long texts are cut, keeping what is around `offset`.
    static func show(_ text: String, around offset: Int = 0) -> String {
        let start = text.utf8.count > maximumLength && offset > context ? offset - context : 0
        var shown = start > 0 ? "..." : ""
        for scalar in text.unicodeScalars.dropFirst(start) {
            if shown.utf8.count >= maximumLength {
                return shown + "..."
            }
            shown += show(scalar)
        }
        return shown
    }

    /// The whole text, escaped: a file's name ends in the line's number.
    static func showWhole(_ text: String) -> String { text.unicodeScalars.map(show).joined() }

    /// One scalar, escaped unless it is printable ASCII.
    static func show(_ scalar: Unicode.Scalar) -> String {
        switch scalar.value {
        case 0x20...0x7E: String(scalar)
        default: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        }
    }

    /// The character that starts at `offset` of UTF-8 bytes, quoted and escaped.
    static func showCharacter(of bytes: [UInt8], at offset: Int) -> String {
        let rest = String(decoding: bytes[offset..<min(offset + 4, bytes.count)], as: UTF8.self)
        return rest.unicodeScalars.first.map { "'\(show($0))'" } ?? "nothing"
    }
}
