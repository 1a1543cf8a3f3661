/// Reads the text of a host expression, byte by byte.
///
///     expression = operand { operator operand }        operators: , ! & ^   with blanks around them
///     operand    = "@" role | pattern
///     pattern    = { text | "[" range { "," range } "]" }, brackets never side by side
///     range      = number [ "-" number [ "/" step ] ]  with blanks anywhere but in numbers
///
/// A bracket at the beginning of a name that holds two colons is an IPv6 address, `[::1]:22`, and taken as text.
/// Whatever is refused is refused here or by `AddressLayout`, at the byte where it stands.
struct ExpressionScanner {
    /// No command line or file line that a person or a program writes is longer.
    static let maximumLength = 1 << 20
    /// A name of 255 bytes has no room for more numbers.
    static let maximumBrackets = 100

    private let text: String
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) throws(HostSetError) {
        guard text.utf8.count <= Self.maximumLength else {
            let message = "it has \(text.utf8.count) bytes; the limit is \(Self.maximumLength); use a hosts file"
            throw HostSetError(code: .tooLong, text: text, offset: nil, message: message)
        }
        self.text = text
        bytes = Array(text.utf8)
    }

    /// Reads everything.
    mutating func terms() throws(HostSetError) -> [HostExpression.Term] {
        skipBlanks()
        guard position < bytes.count else {
            throw HostSetError(code: .empty, text: text, offset: nil, message: "it names no host")
        }
        var terms = [try term(.union)]
        while true {
            skipBlanks()
            guard position < bytes.count else {
                return terms
            }
            guard let operation = SetOperation(rawValue: bytes[position]) else {
                // Operands end at blanks, operators or the end, so there is a blank before this.
                throw error(.missingOperator, at: position, "a host has no spaces; put ',' between two hosts")
            }
            position += 1
            skipBlanks()
            terms.append(try term(operation))
        }
    }

    private mutating func term(_ operation: SetOperation) throws(HostSetError) -> HostExpression.Term {
        let start = position
        guard start < bytes.count, SetOperation(rawValue: bytes[start]) == nil else {
            throw error(.missingOperand, at: start, "a host is missing beside an operator (one of , ! & ^)")
        }
        let operand: HostExpression.Operand =
            bytes[start] == ASCII.at ? .role(try role()) : .pattern(try pattern())
        return HostExpression.Term(operation: operation, operand: operand, offset: start)
    }

    private mutating func role() throws(HostSetError) -> String {
        position += 1
        let start = position
        while position < bytes.count, ASCII.isWord(bytes[position]) {
            position += 1
        }
        guard position > start, bytes[start] != ASCII.dash else {
            throw error(.invalidRole, at: start, "'@' needs the name of a role behind it")
        }
        if position < bytes.count, !ASCII.isBlank(bytes[position]), SetOperation(rawValue: bytes[position]) == nil {
            let found = HarmlessText.showCharacter(of: bytes, at: position)
            throw error(.invalidRole, at: position, "\(found) can't be in the name of a role")
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func pattern() throws(HostSetError) -> HostPattern {
        let start = position
        var segments: [HostPattern.Segment] = []
        var brackets = 0
        var literal: [UInt8] = []
        while position < bytes.count, !ASCII.isBlank(bytes[position]), SetOperation(rawValue: bytes[position]) == nil {
            let byte = bytes[position]
            if byte == ASCII.openBracket {
                if let end = addressEnd(patternStart: start) {
                    literal += bytes[position..<end]
                    position = end
                    continue
                }
                if literal.isEmpty, !segments.isEmpty {
                    throw error(.invalidBracket, at: position, "brackets can't stand side by side")
                }
                brackets += 1
                guard brackets <= Self.maximumBrackets else {
                    throw error(.tooLong, at: position, "one name has at most \(Self.maximumBrackets) brackets")
                }
                if !literal.isEmpty {
                    segments.append(.text(literal))
                    literal = []
                }
                segments.append(.ranges(try ranges()))
            } else if ASCII.isAddress(byte) {
                literal.append(byte)
                position += 1
            } else if byte == ASCII.closeBracket {
                throw error(.invalidBracket, at: position, "']' has no '[' before it")
            } else {
                let found = HarmlessText.showCharacter(of: bytes, at: position)
                throw error(.invalidCharacter, at: position, "\(found) can't be in a host pattern")
            }
        }
        if !literal.isEmpty {
            segments.append(.text(literal))
        }
        return try checked(HostPattern(segments: segments), start: start)
    }

    /// Checks what all hosts of the pattern have in common on its first one.
    private func checked(_ pattern: HostPattern, start: Int) throws(HostSetError) -> HostPattern {
        do {
            _ = try AddressLayout(of: pattern.firstHost)
            return pattern
        } catch {
            // Columns of the first host are those of the pattern up to its first brackets.
            var certain = 0
            if case .text(let bytes)? = pattern.segments.first {
                certain = bytes.count
            }
            throw self.error(error.code, at: start + min(error.offset, certain), error.message)
        }
    }

    /// The position behind `[::1]` when an IPv6 address begins here.
    private func addressEnd(patternStart: Int) -> Int? {
        guard position == patternStart || bytes[position - 1] == ASCII.at else {
            return nil
        }
        guard let close = bytes[position...].firstIndex(of: ASCII.closeBracket) else {
            return nil
        }
        let inside = bytes[(position + 1)..<close]
        guard inside.count(where: { $0 == ASCII.colon }) >= 2,
            inside.allSatisfy({ ASCII.isAddress($0) && $0 != ASCII.at })
        else {
            return nil
        }
        return close + 1
    }

    private mutating func ranges() throws(HostSetError) -> [NumberRange] {
        let open = position
        var ranges: [NumberRange] = []
        repeat {
            position += 1
            ranges.append(try range(bracket: open))
        } while bytes[position] == ASCII.comma
        position += 1
        return ranges
    }

    /// Reads one range and stops at the `,` or `]` behind it.
    private mutating func range(bracket: Int) throws(HostSetError) -> NumberRange {
        let start = position
        let first = try number(bracket: bracket)
        var last = first
        var step: UInt64 = 1
        let hasLast = try take(ASCII.dash, bracket: bracket)
        if hasLast {
            last = try number(bracket: bracket)
        }
        if try take(ASCII.slash, bracket: bracket) {
            step = try number(bracket: bracket).value
            guard step > 0, hasLast || step == 1 else {
                throw error(.invalidRange, at: start, "a step is at least 1 and needs a range before it: 0-10/2")
            }
        }
        guard bytes[position] == ASCII.comma || bytes[position] == ASCII.closeBracket else {
            let found = HarmlessText.showCharacter(of: bytes, at: position)
            throw error(.invalidRange, at: position, "\(found) can't be here; ranges look like 1-3,07-10,0-8/2")
        }
        guard first.value <= last.value else {
            throw error(.invalidRange, at: start, "a range goes from a smaller number to a larger one")
        }
        let isPadded = first.isPadded || last.isPadded
        guard !isPadded || first.digits == last.digits else {
            throw error(.invalidRange, at: start, "with leading zeros both ends need the same number of digits")
        }
        return NumberRange(first: first.value, last: last.value, step: step, width: isPadded ? first.digits : 0)
    }

    private mutating func take(_ byte: UInt8, bracket: Int) throws(HostSetError) -> Bool {
        try skipBlanks(bracket: bracket)
        guard bytes[position] == byte else {
            return false
        }
        position += 1
        return true
    }

    private mutating func number(bracket: Int) throws(HostSetError) -> HostIndex {
        try skipBlanks(bracket: bracket)
        let start = position
        var value: UInt64 = 0
        while position < bytes.count, ASCII.isDigit(bytes[position]) {
            guard position - start < HostIndex.maximumDigits else {
                throw error(.invalidRange, at: start, "a number has at most \(HostIndex.maximumDigits) digits")
            }
            value = value * 10 + UInt64(bytes[position] - ASCII.zero)
            position += 1
        }
        guard position > start else {
            throw error(.invalidRange, at: start, "a number is missing; ranges look like 1-3,07-10,0-8/2")
        }
        let index = HostIndex(value: value, digits: position - start)
        try skipBlanks(bracket: bracket)
        return index
    }

    private mutating func skipBlanks(bracket: Int) throws(HostSetError) {
        skipBlanks()
        guard position < bytes.count else {
            throw error(.invalidBracket, at: bracket, "'[' is not closed; add ']'")
        }
    }

    private mutating func skipBlanks() {
        while position < bytes.count, ASCII.isBlank(bytes[position]) {
            position += 1
        }
    }

    private func error(_ code: HostSetError.Code, at offset: Int, _ message: String) -> HostSetError {
        HostSetError(code: code, text: text, offset: offset, message: message)
    }
}
