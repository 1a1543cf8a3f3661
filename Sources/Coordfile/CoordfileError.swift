/// What is wrong with a task file, and where.
///
/// One error may carry further, independent problems of the same file, so that they are shown and mended together.
public struct CoordfileError: Error, Sendable, CustomStringConvertible, Equatable {
    /// The kinds of problems.
    public enum Code: Sendable {
        /// There is no such file.
        case notFound
        /// The file is there but cannot be read, or is no file.
        case unreadable
        /// The file is larger than `Coordfile.maximumBytes`.
        case tooLarge
        /// The file is not UTF-8 text.
        case notText
        /// The file is not YAML.
        case syntax
        /// The file says nothing.
        case empty
        /// The file nests deeper than anything in a task file does.
        case tooDeep
        /// YAML that a task file does without: anchors, aliases, tags, merge keys.
        case unsupportedYAML
        /// A key stands twice in one mapping.
        case duplicateKey
        /// A key that no version knows.
        case unknownKey
        /// A key that belongs to the task file, but that this version does not carry out.
        case notSupportedYet
        /// A list where a string was wanted, and the like.
        case wrongType
        /// Something that has to be there is not.
        case missing
        /// The type is right, the value is not.
        case invalidValue
        /// A host pattern that cannot be read, or is too large.
        case invalidPattern
        /// A role that the file does not define.
        case undefinedRole
        /// Roles that lead back to themselves, or nest too deep.
        case roleCycle
        /// A task that the file does not define.
        case unknownTask
    }

    /// The kind of problem.
    public let code: Code

    /// The task file, as it was named.
    public let file: String

    /// The line, from 1 on; nil when the problem is the file itself.
    public let line: Int?

    /// The column, from 1 on, counted in Unicode scalars; nil when the problem is the file itself.
    public let column: Int?

    /// What is wrong; one line, free of control characters.
    public let message: String

    /// What to do about it; one line, free of control characters.
    public let hint: String?

    /// Further problems of the same file, in the order of their lines.
    public let others: [CoordfileError]

    /// Makes an error; control characters in message and hint are escaped.
    public init(
        code: Code,
        file: String,
        line: Int? = nil,
        column: Int? = nil,
        message: String,
        hint: String? = nil,
        others: [CoordfileError] = []
    ) {
        self.code = code
        self.file = file
        self.line = line
        self.column = column
        self.message = printable(message)
        self.hint = hint.map { printable($0) }
        self.others = others
    }

    /// This problem and the others of the file, each without others of its own.
    public var problems: [CoordfileError] {
        [
            CoordfileError(code: code, file: file, line: line, column: column, message: message, hint: hint)
        ] + others
    }

    /// `FILE:LINE:COLUMN: message; hint`, a line for each problem.
    public var description: String {
        problems.map(\.oneLine).joined(separator: "\n")
    }

    private var oneLine: String {
        var place = printable(file)
        if let line { place += ":\(line)" }
        if let column { place += ":\(column)" }
        return "\(place): \(message)" + (hint.map { "; \($0)" } ?? "")
    }
}

/// The text with everything that could steer a terminal or forge a line written as an escape.
func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
            result += "\\u{" + String(scalar.value, radix: 16) + "}"
        default:
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// The text in single quotes, cut to what fits in a message.
func quoted(_ text: String) -> String {
    let limit = 80  // longer ones would push the reason for the error off the screen
    let cut = String(text.unicodeScalars.prefix(limit))
    return cut.utf8.count < text.utf8.count ? "'\(cut)…'" : "'\(cut)'"
}
