/// A parsed host expression: patterns, `@role` references, and set operators between them, from left to right.
///
/// The grammar is ClusterShell's (nodeset(1)), with these differences: hosts keep the order in which they were
/// written; nothing but a host that could exist is a host (no blanks, wildcards, control characters, non-ASCII
/// letters); a pattern larger than its limit is refused before it is expanded; `a1[8-12]` is `a18,a19,a110,…`;
/// steps may be followed by digits; negative numbers and `[0-00]` are refused; an expression names something.
public struct HostExpression: Hashable, Sendable {
    /// What is added, taken away or compared.
    enum Operand: Hashable, Sendable {
        case role(String)
        case pattern(HostPattern)
    }

    /// One operand with the operator before it; the first has a union with nothing.
    struct Term: Hashable, Sendable {
        let operation: SetOperation
        let operand: Operand
        let offset: Int
    }

    /// The most hosts that an expression stands for unless the caller says otherwise: those of a large run.
    public static let defaultLimit = 1_000_000
    /// Terms may take away again what others added, so that all of them together may name more than the limit.
    private static let totalFactor = 4
    /// `NodeSet` counts in 32 bits, and sums of a few such limits don't overflow.
    private static let maximumLimit = Int(Int32.max)

    /// As it was written.
    public let text: String
    let terms: [Term]

    /// Reads an expression; expands nothing, and takes time and memory in proportion to the text.
    ///
    /// - Throws: `HostSetError` with the column of what is wrong; the text is limited to 1 MiB, a pattern to 100
    ///   brackets.
    public init(parsing text: String) throws(HostSetError) {
        self.text = text
        var scanner = try ExpressionScanner(text)
        terms = try scanner.terms()
    }

    /// The roles it refers to, each once, in the order written.
    public var referencedRoles: [String] {
        var seen: Set<String> = []
        return terms.compactMap { term in
            switch term.operand {
            case .role(let name): seen.insert(name).inserted ? name : nil
            case .pattern: nil
            }
        }
    }

    /// The hosts it stands for, in the order written, each once.
    ///
    /// A union appends new hosts in order; `!` and `&` keep the order of the left side; `^` keeps what only the left
    /// side has, then what only the right side has.
    /// - Parameters:
    ///   - limit: the most hosts in one term and in the result; terms together may name 4 times as many. Limits
    ///     above 2³¹-1 count as that.
    ///   - keepDuplicates: whether hosts that a pattern, a role or a union names more than once stay so.
    ///   - role: the hosts of a role; called once for each reference.
    /// - Throws: `HostSetError` above the limit (before anything is expanded) and for hosts that can't exist; what
    ///   `role` throws.
    public func hosts(
        limit: Int = Self.defaultLimit,
        keepDuplicates: Bool = false,
        role: (String) throws -> [String]
    ) throws -> [String] {
        let limit = min(limit, Self.maximumLimit)
        var total = try checkedTotal(limit: limit)
        var result = OrderedHosts(keepDuplicates: keepDuplicates)
        for term in terms {
            let operand: [String]
            switch term.operand {
            case .pattern(let pattern):
                operand = try hosts(of: pattern, at: term.offset)
            case .role(let name):
                operand = try role(name)
                try checkCount(operand.count, limit: limit, at: term.offset)
                total += operand.count
                try checkTotal(total, limit: limit, at: term.offset)
                try Self.checkHosts(operand, of: name)
            }
            result.apply(term.operation, operand)
            try checkCount(result.count, limit: limit, at: term.offset)
        }
        return result.hosts
    }

    private static func checkHosts(_ hosts: [String], of role: String) throws(HostSetError) {
        for host in hosts {
            do throws(HostSetError) {
                _ = try HostAddress(parsing: host)
            } catch {
                throw error.located(at: "role \(role)")
            }
        }
    }

    /// Counts the patterns of all terms, overflow-safe.
    private func checkedTotal(limit: Int) throws(HostSetError) -> Int {
        var total = 0
        for term in terms {
            guard case .pattern(let pattern) = term.operand else {
                continue
            }
            guard let count = pattern.count else {
                throw tooMany("more than \(Int.max) hosts", limit: limit, at: term.offset)
            }
            // A count is checked before it is added, so that the sum can't overflow.
            try checkCount(count, limit: limit, at: term.offset)
            total += count
            try checkTotal(total, limit: limit, at: term.offset)
        }
        return total
    }

    private func checkCount(_ count: Int, limit: Int, at offset: Int) throws(HostSetError) {
        if count > limit {
            throw tooMany("\(count) hosts", limit: limit, at: offset)
        }
    }

    private func checkTotal(_ total: Int, limit: Int, at offset: Int) throws(HostSetError) {
        let most = limit * Self.totalFactor
        if total > most {
            throw tooMany("\(total) hosts in all terms up to here", limit: most, at: offset)
        }
    }

    private func tooMany(_ count: String, limit: Int, at offset: Int) -> HostSetError {
        let message = "it stands for \(count); the limit is \(limit); name fewer"
        return HostSetError(code: .tooManyHosts, text: text, offset: offset, message: message)
    }

    private func hosts(of pattern: HostPattern, at offset: Int) throws(HostSetError) -> [String] {
        var hosts: [String] = []
        hosts.reserveCapacity(pattern.count ?? 0)
        try pattern.forEachHost { (bytes) throws(HostSetError) in
            let host = String(decoding: bytes, as: UTF8.self)
            do throws(AddressLayout.Fault) {
                _ = try AddressLayout(of: bytes)
            } catch {
                let message = "'\(HarmlessText.show(host))': \(error.message)"
                throw HostSetError(code: error.code, text: text, offset: offset, message: message)
            }
            hosts.append(host)
        }
        return hosts
    }
}
