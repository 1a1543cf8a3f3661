import HostSets
import Yams

extension CoordfileReader {
    /// Fits in messages, process titles and file names, whatever is put beside it.
    static let longestName = 100

    /// Names of roles and tasks: they stand in comma-separated lists and in set algebra.
    static func isName(_ text: String) -> Bool {
        text.utf8.count <= longestName && text.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_.\-]*/) != nil
    }

    // MARK: - Roles

    /// `roles:`, checked for names that lead nowhere or round in a circle.
    mutating func roles(_ node: Node) -> [RoleDefinition] {
        var roles: [RoleDefinition] = []
        var places: [String: Node] = [:]
        for entry in entries(of: node, "'roles'") {
            guard Self.isName(entry.key) else {
                let hint = "at most \(Self.longestName) letters, digits, '_', '.' and '-', a letter first"
                note(.invalidValue, at: entry.place, "\(quoted(entry.key)) is no name for a role", hint)
                continue
            }
            places[entry.key] = entry.value
            let expressions = roleExpressions(entry.value, "role '\(entry.key)'")
            roles.append(RoleDefinition(name: entry.key, expressions: expressions, line: entry.place.line))
        }
        checkReferences(roles, places)
        return roles
    }

    private mutating func roleExpressions(_ node: Node, _ name: String) -> [String] {
        if case .mapping = node {
            let problemsBefore = problems.count
            _ = entries(of: node, name, table: .role)
            if problems.count == problemsBefore { note(.missing, at: node.position, "\(name) names no hosts") }
            return []
        }
        return hostExpressions(node, name)
    }

    private mutating func checkReferences(_ roles: [RoleDefinition], _ places: [String: Node]) {
        let table = RoleTable(roles)
        for role in roles {
            guard let node = places[role.name] else { continue }
            checkDefined(in: node, "role '\(role.name)'", roles: table)
        }
        let references = Dictionary(roles.map { ($0.name, referenced($0)) }, uniquingKeysWith: { first, _ in first })
        for problem in table.problems(references: references) {
            switch problem {
            case .cycle(let names):
                let circle = names.joined(separator: " → ")
                noteRole(names[0], places, "role '\(names[0])' leads back to itself: \(circle)")
            case .tooDeep(let name):
                noteRole(name, places, "role '\(name)' stands on more than \(RoleTable.mostLevels) levels of roles")
            }
        }
    }

    private func referenced(_ role: RoleDefinition) -> [String] {
        role.expressions.flatMap { parsed($0)?.referencedRoles ?? [] }
    }

    private mutating func noteRole(_ name: String, _ places: [String: Node], _ message: String) {
        guard let node = places[name] else { return }
        note(.roleCycle, at: node.position, message)
    }

    /// Notes every `@role` in a list of expressions that no role is behind.
    mutating func checkDefined(in node: Node, _ name: String, roles: RoleTable) {
        let nodes: [Node]
        switch node {
        case .scalar: nodes = [node]
        case .sequence(let sequence): nodes = Array(sequence)
        case .mapping, .alias: return
        }
        for node in nodes {
            guard let text = node.scalar?.string, let expression = parsed(text) else { continue }
            for role in expression.referencedRoles where roles[role] == nil {
                noteUndefined(role, at: place(of: offset(of: role, in: text), in: node), name, roles: roles)
            }
        }
    }

    /// The byte at which `@role` stands as a whole word.
    private func offset(of role: String, in text: String) -> Int? {
        let places = text.ranges(of: "@\(role)")
        let whole = places.first { place in
            place.upperBound == text.endIndex || ",!&^ ".contains(text[place.upperBound])
        }
        return whole.map { text.utf8.distance(from: text.startIndex, to: $0.lowerBound) }
    }

    /// Notes a role that is not defined, with the nearest that is.
    mutating func noteUndefined(_ role: String, at place: Position, _ name: String, roles: RoleTable) {
        let message = "\(name): there is no role \(quoted(role))"
        note(.undefinedRole, at: place, message, roles.hint(for: role))
    }

    // MARK: - Expressions

    /// A host expression or a list of them, each of which can be parsed.
    mutating func hostExpressions(_ node: Node, _ name: String) -> [String] {
        var expressions: [String] = []
        for node in list(node, name, of: "host patterns") {
            guard let text = string(node, name) else { continue }
            do {
                _ = try HostExpression(parsing: text)
                expressions.append(text)
            } catch {
                note(
                    .invalidPattern,
                    at: place(of: error.offset, in: node),
                    "\(name): \(quoted(text)): \(error.message)"
                )
            }
        }
        return expressions
    }

    private func parsed(_ text: String) -> HostExpression? {
        do {
            return try HostExpression(parsing: text)
        } catch {
            return nil  // noted when the expression was read
        }
    }

    /// The place of a byte of a scalar; the scalar's own where escapes or line breaks make that unsure.
    private func place(of offset: Int?, in node: Node) -> Position {
        var place = node.position
        guard let offset, case .scalar(let scalar) = node else { return place }
        guard !scalar.string.contains(where: { $0.isNewline || "\\\"'\t".contains($0) }) else { return place }
        let column = String(decoding: scalar.string.utf8.prefix(offset), as: UTF8.self).unicodeScalars.count
        switch scalar.style {
        case .plain: place.column += column
        case .singleQuoted, .doubleQuoted: place.column += column + 1
        case .literal, .folded, .any: break
        }
        return place
    }

    // MARK: - Settings

    /// `defaults:`.
    mutating func defaults(_ node: Node) -> Defaults {
        let entries = entries(of: node, "'defaults'", table: .defaults)
        var defaults = Defaults()
        defaults.host = hostSettings(entries)
        defaults.poolSize = read(entries["pool_size"]) { $0.integer($1, "'pool_size'", in: Coordfile.poolSizes) }
        defaults.connectTimeout = read(entries["connect_timeout"]) { $0.duration($1, "'connect_timeout'") }
        defaults.timeout = read(entries["timeout"]) { $0.duration($1, "'timeout'") }
        return defaults
    }

    /// `hosts:`, in the order written.
    mutating func hostRules(_ node: Node, roles: RoleTable) -> [HostRule] {
        var rules: [HostRule] = []
        for entry in entries(of: node, "'hosts'") {
            let settings = hostSettings(entries(of: entry.value, "host \(quoted(entry.key))", table: .hostSettings))
            guard let matcher = matcher(entry, roles: roles) else { continue }
            rules.append(HostRule(pattern: entry.key, settings: settings, line: entry.place.line, matcher: matcher))
        }
        return rules
    }

    private mutating func hostSettings(_ entries: [String: Entry]) -> HostSettings {
        var settings = HostSettings()
        settings.user = read(entries["user"], as: { $0.user($1) })
        settings.port = read(entries["port"]) { $0.integer($1, "'port'", in: 1...65535) }
        settings.identity = read(entries["identity"]) { $0.filePath($1, "'identity'") }
        settings.knownHosts = read(entries["known_hosts"]) { $0.filePath($1, "'known_hosts'") }
        return settings
    }

    private mutating func user(_ node: Node) -> String? {
        guard let text = string(node, "'user'") else { return nil }
        do {
            // The rules for a user are those of the `user@` of a host.
            let address = try HostAddress(parsing: "\(text)@host")
            if address.user == text { return text }
            note(.invalidValue, at: node.position, "\(quoted(text)) is no user name")
        } catch {
            note(.invalidValue, at: node.position, "\(quoted(text)) is no user name: \(error.message)")
        }
        return nil
    }

    private mutating func filePath(_ node: Node, _ name: String) -> String? {
        guard let text = string(node, name) else { return nil }
        guard !text.isEmpty, !text.contains(where: \.isNewline) else {
            note(.invalidValue, at: node.position, "\(name) is no path of a file: \(quoted(text))")
            return nil
        }
        guard let path = paths.absolute(text) else {
            let hint = "write '~/…' for your own home folder (HOME has to be set), or the whole path"
            note(.invalidValue, at: node.position, "\(name): the home folder of \(quoted(text)) is not known", hint)
            return nil
        }
        return path
    }

    private mutating func matcher(_ entry: Entry, roles: RoleTable) -> HostRule.Matcher? {
        if entry.key.contains(where: { "*?".contains($0) }) {
            guard entry.key.wholeMatch(of: /[A-Za-z0-9._:%*?\-]+/) != nil else {
                let hint =
                    "'*' and '?' stand beside letters, digits, '.', '_' and '-' only; ranges need a key of their own"
                note(.invalidPattern, at: entry.place, "\(quoted(entry.key)) is no pattern for host names", hint)
                return nil
            }
            return .glob(entry.key)
        }
        do {
            let expression = try HostExpression(parsing: entry.key)
            if let role = expression.referencedRoles.first(where: { roles[$0] == nil }) {
                noteUndefined(role, at: entry.place, "'hosts'", roles: roles)
                return nil
            }
            return try names(of: expression, entry, roles: roles).map { .names($0) }
        } catch {
            note(.invalidPattern, at: entry.place, "'hosts': \(error)")
            return nil
        }
    }

    private mutating func names(of expression: HostExpression, _ entry: Entry, roles: RoleTable) throws -> Set<String>?
    {
        guard problems.isEmpty else { return nil }  // roles may lead in a circle; the file yields nothing anyway
        let resolver = RoleResolver(roles, limit: Coordfile.mostHosts, keepDuplicates: false)
        var names: Set<String> = []
        for host in try resolver.hosts(of: expression) {
            let address = try HostAddress(parsing: host)
            guard address.user == nil, address.port == nil else {
                let hint = "write the name alone, and 'user' and 'port' as its settings"
                note(.invalidPattern, at: entry.place, "'hosts': \(quoted(host)) has a user or a port", hint)
                return nil
            }
            names.insert(address.name)
        }
        return names
    }
}
