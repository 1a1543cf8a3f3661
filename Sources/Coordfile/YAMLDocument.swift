import Yams

// Text in, one tree of nodes with positions out, whatever the text is.
//
// Aliases make a few lines unfold into billions of nodes, and Yams walks them all when it compares keys; it also has
// no door at which they could be refused. But an alias needs an anchor. So when the text could hold an anchor, a copy
// in which no alias is left is read first, and a real anchor found there ends it. Only then is the text itself read.
// Scalars are not resolved (`Resolver.basic`): what a value is, the reader of each key decides, from what is written.

/// A place in the task file; both from 1 on, the column in Unicode scalars.
struct Position: Comparable, Sendable {
    var line: Int
    var column: Int

    static func < (left: Position, right: Position) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

extension Node {
    /// Where the node begins.
    var position: Position {
        mark.map { Position(line: $0.line, column: $0.column) } ?? Position(line: 1, column: 1)
    }
}

/// The text of a task file, and how it becomes a tree.
struct YAMLDocument {
    let path: String
    private let text: String

    /// Takes a text of at most `Coordfile.maximumBytes` without characters that YAML forbids.
    init(_ text: String, path: String) throws(CoordfileError) {
        self.path = path
        guard text.utf8.count <= Coordfile.maximumBytes else {
            let limit = Coordfile.maximumBytes >> 20
            throw CoordfileError(code: .tooLarge, file: path, message: "the task file is larger than \(limit) MiB")
        }
        let byteOrderMark: Unicode.Scalar = "\u{FEFF}"
        var scalars = String.UnicodeScalarView(text.unicodeScalars)
        if scalars.first == byteOrderMark { scalars.removeFirst() }
        self.text = String(scalars)
        if let index = scalars.firstIndex(where: { !Self.isAllowed($0) }) {
            let value = String(scalars[index].value, radix: 16)
            throw error(.notText, at: position(of: index), "the character \\u{\(value)} has no place in a text file")
        }
    }

    /// The root of the only document in the text.
    func root() throws(CoordfileError) -> Node {
        if let copy = copyWithoutAliases() {
            let parser = try makeParser(copy)
            let tree = try compose(parser)
            // Nodes hold their anchors weakly: it is the parser that keeps them.
            let anchored = withExtendedLifetime(parser) { tree.flatMap(firstAnchored) }
            if let anchored { throw unsupported("an anchor ('&' before a value)", at: anchored.position) }
        }
        guard let root = try compose(makeParser(text)), !root.isMissing else {
            throw error(
                .empty,
                at: Position(line: 1, column: 1),
                "the task file is empty",
                "it needs at least 'tasks:'"
            )
        }
        return root
    }

    // MARK: - Anchors

    /// The text with every `*name` changed to `_name`, columns kept; nil when no `&name` is in it.
    private func copyWithoutAliases() -> String? {
        var bytes = Array(text.utf8)
        var found = false
        for index in bytes.indices.dropLast() where Self.isNameByte(bytes[index + 1]) {
            if bytes[index] == UInt8(ascii: "&") { found = true }
            if bytes[index] == UInt8(ascii: "*") { bytes[index] = UInt8(ascii: "_") }
        }
        return found ? String(decoding: bytes, as: UTF8.self) : nil
    }

    private func firstAnchored(_ node: Node) -> Node? {
        if node.anchor != nil { return node }
        switch node {
        case .scalar, .alias: return nil
        case .sequence(let sequence): return sequence.lazy.compactMap(firstAnchored).first
        case .mapping(let mapping):
            return mapping.lazy.compactMap { firstAnchored($0.key) ?? firstAnchored($0.value) }.first
        }
    }

    // MARK: - Yams

    // The encoding is named: the default one is a question to an environment variable.
    private func makeParser(_ text: String) throws(CoordfileError) -> Parser {
        do {
            return try Parser(yaml: text, resolver: .basic, encoding: .utf8)
        } catch {
            throw translated(error)
        }
    }

    private func compose(_ parser: Parser) throws(CoordfileError) -> Node? {
        do {
            return try parser.singleRoot()
        } catch {
            throw translated(error)
        }
    }

    private func translated(_ error: any Error) -> CoordfileError {
        guard let error = error as? YamlError else {
            return CoordfileError(code: .syntax, file: path, message: "the file is not YAML: \(error)")
        }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return syntaxError(
                problem,
                at: Position(line: mark.line, column: mark.column),
                context: context?.text ?? "",
                opened: context.map { Position(line: $0.mark.line, column: $0.mark.column) }
            )
        case .duplicatedKeysInMapping(let keys, let context):
            return duplicateKey(keys.first ?? "", at: Position(line: context.mark.line, column: context.mark.column))
        case .memory:
            return CoordfileError(code: .unreadable, file: path, message: "there is not enough memory to read the file")
        case .reader(let problem, _, _, _):
            return CoordfileError(code: .notText, file: path, message: problem)
        case .no, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return CoordfileError(code: .syntax, file: path, message: "the file is not YAML: \(error)")
        }
    }

    /// Says what libyaml found in the words of someone who writes a task file.
    private func syntaxError(
        _ problem: String,
        at position: Position,
        context: String,
        opened: Position?
    ) -> CoordfileError {
        let found = scalar(at: position)
        let start = opened ?? position
        switch problem {
        case _ where found == "\t":
            return error(.syntax, at: position, "a tab where YAML wants spaces", "indent with spaces")
        case "found a tab character that violates indentation",
            "found a tab character where an indentation space is expected":
            return error(.syntax, at: position, "a tab where YAML wants spaces", "indent with spaces")
        case _ where problem.hasPrefix("Maximum nesting level"):
            return error(.tooDeep, at: position, "the file nests too deep", "a task file needs less than ten levels")
        case "did not find expected ',' or ']'" where found == "[",
            "did not find expected ',' or '}'" where found == "[":
            return error(
                .syntax,
                at: position,
                "'[' inside a value without quotes",
                "quote a host pattern in a list: [\"web[1-3]\", db1]"
            )
        case "did not find expected ',' or ']'":
            return error(
                .syntax,
                at: start,
                "this list is not closed",
                "it needs ',' between its values and ']' at its end"
            )
        case "did not find expected ',' or '}'":
            return error(
                .syntax,
                at: start,
                "this mapping is not closed",
                "it needs ',' between its entries and '}' at its end"
            )
        case "found character that cannot start any token":
            return needsQuotes(found, at: position)
        case "found undefined alias", "did not find expected alphabetic or numeric character":
            return needsQuotes(scalar(at: start), at: start)
        case _ where context.contains("tag"), "found undefined tag handle":
            return needsQuotes("!", at: start)
        case "mapping values are not allowed in this context":
            return error(
                .syntax,
                at: position,
                "a ':' where no key can be",
                "perhaps the line above lacks its ':' or is indented otherwise; quote a value with ': ' in it"
            )
        case "could not find expected ':'":
            return error(.syntax, at: start, "a key without ':'", "write 'key: value'")
        case "did not find expected key", "did not find expected '-' indicator",
            "block sequence entries are not allowed in this context":
            return error(.syntax, at: position, "this is indented unlike the lines that it belongs to")
        case "found unexpected end of stream" where context.contains("quoted"):
            return error(.syntax, at: start, "a quote that is not closed")
        case "but found another document":
            return error(.syntax, at: position, "a second document", "a task file is one document: leave out '---'")
        default:
            return error(.syntax, at: position, "not YAML: " + (context.isEmpty ? problem : "\(context), \(problem)"))
        }
    }

    private func needsQuotes(_ found: Unicode.Scalar?, at position: Position) -> CoordfileError {
        let rest = String(lineText(position.line).unicodeScalars.dropFirst(position.column - 1))
        let value = rest.prefix { !" ,]}:#".contains($0) }
        return error(
            .syntax,
            at: position,
            "a value cannot begin with '\(found.map(String.init) ?? "")'",
            "quote it: \"\(value.prefix(40))\""
        )
    }

    /// Yams names the first of the two only; the second one stands in the same column further down, or beside it.
    private func duplicateKey(_ key: String, at first: Position) -> CoordfileError {
        let spellings = ["\(key):", "\"\(key)\":", "'\(key)':"]
        var place = first
        for (offset, line) in lines.dropFirst(first.line).enumerated() {
            let body = line.drop { $0 == " " }
            let indentation = line.count - body.count
            if body.isEmpty || body.first == "#" { continue }
            if indentation < first.column - 1 { break }
            if indentation == first.column - 1, spellings.contains(where: body.hasPrefix) {
                place.line = first.line + offset + 1
                break
            }
        }
        let earlier = place == first ? "" : ", first in line \(first.line)"
        return error(
            .duplicateKey,
            at: place,
            "the key \(quoted(key)) stands twice here\(earlier)",
            "leave one of them out"
        )
    }

    // MARK: - Places and errors

    private func unsupported(_ what: String, at position: Position) -> CoordfileError {
        error(
            .unsupportedYAML,
            at: position,
            "\(what) is not supported in a task file",
            "write the value out, or quote it"
        )
    }

    private func error(
        _ code: CoordfileError.Code,
        at position: Position,
        _ message: String,
        _ hint: String? = nil
    ) -> CoordfileError {
        CoordfileError(
            code: code,
            file: path,
            line: position.line,
            column: position.column,
            message: message,
            hint: hint
        )
    }

    private var lines: [Substring] {
        text.split(omittingEmptySubsequences: false) { $0.isNewline }
    }

    private func lineText(_ line: Int) -> Substring {
        let lines = lines
        return lines.indices.contains(line - 1) ? lines[line - 1] : ""
    }

    private func scalar(at position: Position) -> Unicode.Scalar? {
        lineText(position.line).unicodeScalars.dropFirst(position.column - 1).first
    }

    private func position(of index: String.Index) -> Position {
        let before = text[..<index].split(omittingEmptySubsequences: false) { $0.isNewline }
        return Position(line: before.count, column: (before.last?.unicodeScalars.count ?? 0) + 1)
    }

    /// What YAML 1.1 calls printable, without the byte order mark.
    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD: true
        case 0x10000...0x10FFFF: true
        default: false
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }
}

extension Node {
    /// Whether nothing is written where the node stands, or only YAML's word for nothing.
    var isMissing: Bool {
        guard case .scalar(let scalar) = self, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
