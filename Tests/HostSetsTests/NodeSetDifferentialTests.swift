import Foundation
import HostSets
import Testing

/// Expand, fold and count against ClusterShell itself, on random expressions and random host lists.
///
/// Left out because ours differ on purpose: blanks in names, wildcards, control characters, negative numbers,
/// `[0-00]`, numbers of more than 17 digits, steps before digits, and digits beside brackets whose numbers differ in
/// length (`a1[8-12]`, which nodeset takes for `a[18-112]`).
@Suite struct NodeSetDifferentialTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func expressionsAgree(seed: UInt64) throws {
        var generator = ExpressionGenerator(seed: seed)
        let expressions = (0..<500).map { _ in generator.expression() }
        try compare(expressions, seed: seed)
    }

    @Test(arguments: [4, 5, 6] as [UInt64])
    func hostListsAgree(seed: UInt64) throws {
        var generator = ExpressionGenerator(seed: seed)
        let lists = (0..<200).map { _ in generator.hostList() }
        try compare(lists, seed: seed)
    }

    @Test(arguments: [7, 8] as [UInt64])
    func paddingAgrees(seed: UInt64) throws {
        var generator = ExpressionGenerator(seed: seed)
        let lists = (0..<500).map { _ in generator.paddingList() }
        try compare(lists, seed: seed)
    }

    private func compare(_ expressions: [String], seed: UInt64) throws {
        let answers = try ReferenceNodeSet.answers(to: expressions)
        try #require(answers.count == expressions.count)
        for (expression, answer) in zip(expressions, answers) {
            let hosts = try NodeSet.expand(expression)
            #expect(hosts == answer.hosts, "seed \(seed): \(expression)")
            #expect(NodeSet.fold(hosts.reversed()) == answer.folded, "seed \(seed): \(expression)")
            #expect(try NodeSet.count(expression) == answer.count, "seed \(seed): \(expression)")
        }
    }
}

/// Random expressions within what both sides understand alike.
private struct ExpressionGenerator {
    private var random: SplitMix64

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    mutating func expression() -> String {
        var text = pattern()
        for _ in 0..<random.below(4) {
            text += random.pick([",", ",", ",", "!", "&", "^", " , ", " ! "]) + pattern()
        }
        return text
    }

    /// Numbers around the places where digits and leading zeros come and go.
    mutating func paddingList() -> String {
        let numbers = ["5", "05", "8", "9", "09", "009", "10", "010", "11", "98", "99", "099", "100", "101", "0100"]
        let hosts = (0..<(2 + random.below(7))).map { _ in "h\(random.pick(numbers))" }
        return hosts.joined(separator: ",")
    }

    /// Some hosts of a small grid, so that boxes with holes come about; now and then with mixed padding.
    mutating func hostList() -> String {
        let dimensions = 1 + random.below(3)
        let side = 2 + random.below(dimensions == 1 ? 150 : 12)
        let texts = (0...dimensions).map { _ in random.pick(["r", "-", "n", ".x", "_"]) }
        let widths = (0..<dimensions).map { _ in random.pick([1, 1, 2, 3]) }
        let mixed = random.below(3) == 0
        var hosts: [String] = []
        for _ in 0..<(1 + random.below(120)) {
            var host = "h"
            for dimension in 0..<dimensions {
                let width = mixed && random.below(4) == 0 ? random.pick([1, 2, 3]) : widths[dimension]
                let base = mixed ? random.pick([0, 90]) : 4
                host += texts[dimension] + padded(random.below(side) + base, width)
            }
            hosts.append(host + (random.below(20) == 0 ? "" : texts[dimensions]))
        }
        return hosts.joined(separator: ",")
    }

    private mutating func pattern() -> String {
        switch random.below(12) {
        case 0: return random.pick(["a", "web", "db-x.y", "b_"])
        case 1: return "deploy@web\(brackets()):22"
        case 2: return "fe80::\(random.below(9) + 1)"
        case 3: return "a\(random.below(20))[\(padded(random.below(4), 2))-\(10 + random.below(20))]"
        case 4: return "a[\(random.below(4))-\(4 + random.below(5))]\(padded(random.below(20), 2)).x"
        case 5: return "web\(brackets())"
        case 6, 7: return "r\(brackets())n\(brackets())"
        case 8: return "r\(brackets())n\(brackets())-\(brackets())"
        case 9: return "\(brackets())x"
        case 10: return "r\(random.below(12))n\(padded(random.below(12), 2))"
        default: return "a\(brackets())"
        }
    }

    private mutating func brackets() -> String {
        let ranges = (0...random.below(3)).map { _ in range() }
        return "[\(ranges.joined(separator: random.pick([",", ", "])))]"
    }

    private mutating func range() -> String {
        let first = random.below(15)
        let last = first + random.below(8)
        switch random.below(6) {
        case 0: return "\(first)"
        case 1: return padded(first, 2)
        case 2: return "\(padded(first, 2))-\(padded(last, 2))"
        case 3: return "\(padded(first, 3))-\(padded(last, 3))"
        case 4: return "\(first)-\(last)/\(1 + random.below(3))"
        default: return "\(first)-\(last)"
        }
    }

    private func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// ClusterShell's NodeSet, asked about many expressions in one process.
private enum ReferenceNodeSet {
    struct Answer: Decodable {
        let hosts: [String]
        let folded: String
        let count: Int
    }

    struct Failure: Error {
        let message: String
    }

    private static let program = """
        import json, sys
        from ClusterShell.NodeSet import NodeSet, RESOLVER_NOGROUP
        answers = []
        for text in json.load(open(sys.argv[1])):
            nodes = NodeSet(text, resolver=RESOLVER_NOGROUP)
            answers.append({"hosts": list(nodes), "folded": str(nodes), "count": len(nodes)})
        json.dump(answers, sys.stdout)
        """

    static func answers(to expressions: [String]) throws -> [Answer] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "coord-hostsets-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { remove(folder) }
        let questions = folder.appending(path: "questions.json")
        try JSONEncoder().encode(expressions).write(to: questions)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", program, questions.path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(message: "/usr/bin/python3 with ClusterShell (apt install clustershell) is needed")
        }
        return try JSONDecoder().decode([Answer].self, from: data)
    }

    private static func remove(_ folder: URL) {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            Issue.record(error, "\(folder.path) is left behind")
        }
    }
}
