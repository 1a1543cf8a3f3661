import Glibc

/// Where the parts of a host stand in its bytes; checks everything that can be checked without a network.
struct AddressLayout {
    /// Why bytes are no host.
    struct Fault: Error {
        let code: HostSetError.Code
        let offset: Int
        let message: String
    }

    let user: Range<Int>?
    let name: Range<Int>
    let port: Int?

    /// Reads `[user@]name[:port]`.
    init(of bytes: [UInt8]) throws(Fault) {
        var start = 0
        if let at = bytes.firstIndex(of: ASCII.at) {
            try Self.checkWord(bytes, 0..<at, code: .invalidUser, what: "user name")
            user = 0..<at
            start = at + 1
        } else {
            user = nil
        }
        let end: Int
        if start < bytes.count, bytes[start] == ASCII.openBracket {
            guard let close = bytes[start...].firstIndex(of: ASCII.closeBracket) else {
                throw Fault(code: .invalidBracket, offset: start, message: "'[' is not closed; add ']'")
            }
            name = start + 1..<close
            try Self.checkIPv6(bytes, name)
            end = close + 1
        } else {
            let colon = bytes[start...].firstIndex(of: ASCII.colon)
            if let colon, bytes[(colon + 1)...].contains(ASCII.colon) {
                name = start..<bytes.count
                try Self.checkIPv6(bytes, name)
            } else {
                name = start..<(colon ?? bytes.count)
                try Self.checkWord(bytes, name, code: .invalidName, what: "host name")
                try Self.checkNoDot(bytes, name)
            }
            end = name.upperBound
        }
        port = try Self.port(bytes, from: end)
    }

    private static func checkWord(
        _ bytes: [UInt8],
        _ range: Range<Int>,
        code: HostSetError.Code,
        what: String
    ) throws(Fault) {
        guard let first = range.first else {
            throw Fault(code: code, offset: range.lowerBound, message: "the \(what) is empty")
        }
        if bytes[first] == ASCII.dash {
            throw Fault(code: code, offset: first, message: "a \(what) can't begin with '-'")
        }
        for offset in range where !ASCII.isWord(bytes[offset]) {
            let character = HarmlessText.showCharacter(of: bytes, at: offset)
            let message = "\(character) can't be in a \(what); only letters, digits, '.', '_' and '-' can"
            throw Fault(code: .invalidCharacter, offset: offset, message: message)
        }
        if range.count > HostAddress.maximumNameLength {
            let message = "the \(what) has \(range.count) bytes; the limit is \(HostAddress.maximumNameLength)"
            throw Fault(code: .tooLong, offset: range.lowerBound, message: message)
        }
    }

    private static func checkNoDot(_ bytes: [UInt8], _ range: Range<Int>) throws(Fault) {
        if bytes[range.lowerBound] == ASCII.dot {
            throw Fault(code: .invalidName, offset: range.lowerBound, message: "a host name can't begin with '.'")
        }
    }

    /// An address as inet_pton(3) takes it, and perhaps a `%zone`.
    private static func checkIPv6(_ bytes: [UInt8], _ range: Range<Int>) throws(Fault) {
        let percent = bytes[range].firstIndex(of: ASCII.percent)
        let address = range.lowerBound..<(percent ?? range.upperBound)
        for offset in range where !ASCII.isWord(bytes[offset]) && bytes[offset] != ASCII.colon && offset != percent {
            let character = HarmlessText.showCharacter(of: bytes, at: offset)
            let message = "\(character) can't be in an IPv6 address"
            throw Fault(code: .invalidCharacter, offset: offset, message: message)
        }
        var parsed = in6_addr()
        guard range.count <= HostAddress.maximumNameLength,
            inet_pton(AF_INET6, String(decoding: bytes[address], as: UTF8.self), &parsed) == 1
        else {
            let message = "this is not an IPv6 address; a port goes behind brackets, as in [::1]:22"
            throw Fault(code: .invalidName, offset: range.lowerBound, message: message)
        }
        if let percent {
            try checkWord(bytes, percent + 1..<range.upperBound, code: .invalidName, what: "zone")
        }
    }

    private static func port(_ bytes: [UInt8], from start: Int) throws(Fault) -> Int? {
        guard start < bytes.count else {
            return nil
        }
        guard bytes[start] == ASCII.colon else {
            let character = HarmlessText.showCharacter(of: bytes, at: start)
            let message = "\(character) can't follow the ']' of an address; only ':port' can"
            throw Fault(code: .invalidCharacter, offset: start, message: message)
        }
        let digits = bytes[(start + 1)...]
        // Five digits hold every port; more could overflow, and a leading zero may mean octal to other programs.
        if (1...5).contains(digits.count), digits.allSatisfy(ASCII.isDigit), digits.first != ASCII.zero {
            let number = digits.reduce(0) { $0 * 10 + Int($1 - ASCII.zero) }
            if number <= 65535 {
                return number
            }
        }
        throw Fault(code: .invalidPort, offset: start + 1, message: "a port is a number from 1 to 65535")
    }
}
