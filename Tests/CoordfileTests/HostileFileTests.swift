import Testing

@testable import Coordfile

/// Files made to cost time, memory or the stack. Each ends in an error; the time limit of the suite is the test.
@Suite(.timeLimit(.minutes(1))) struct HostileFileTests {
    private func code(_ text: String) throws -> CoordfileError.Code {
        try #require(throws: CoordfileError.self) { try Coordfile.parse(text, path: "Coordfile.yaml") }.code
    }

    @Test func aliasesThatUnfoldIntoBillionsAreRefused() throws {
        var text = "a0: &a0 [x, x]\n"
        for level in 1...60 {
            text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n"
        }
        // As keys they would be walked while the file is read.
        text += "? *a60\n: x\n? *a59\n: y\n"
        #expect(try code(text) == .unsupportedYAML)
    }

    @Test func anchorsWithinScalarsAreNoAnchors() throws {
        let text = "tasks:\n  a:\n    run: |\n      sleep 1 &wait; ls *x\n    doc: 'a &b *c'\n"
        let file = try Coordfile.parse(text, path: "Coordfile.yaml")
        #expect(file.tasks.first?.steps == [.run("sleep 1 &wait; ls *x\n")])
        #expect(file.tasks.first?.doc == "a &b *c")
    }

    @Test(arguments: ["[", "{a: ", "- ", "? "])
    func deepNestingIsRefused(_ opener: String) throws {
        let text = "tasks:\n  " + String(repeating: opener, count: 200_000)
        let found = try code(text)
        #expect(found == .tooDeep || found == .syntax)
    }

    @Test func theLargestFileIsReadAndAByteMoreIsNot() throws {
        let start = "tasks: {a: {run: x}}\n#"
        let fitting = start + String(repeating: "x", count: Coordfile.maximumBytes - start.utf8.count)
        #expect(try Coordfile.parse(fitting, path: "f").tasks.count == 1)
        #expect(try code(fitting + "x") == .tooLarge)
    }

    @Test func rolesThatDoubleAtEachLevelResolveAtOnce() throws {
        var text = "roles:\n  r0: web1\n"
        for level in 1..<RoleTable.mostLevels {
            text += "  r\(level): '@r\(level - 1),@r\(level - 1)'\n"
        }
        let file = try Coordfile.parse(text, path: "f")
        let top = HostSelection(roles: ["r\(RoleTable.mostLevels - 1)"])
        #expect(try resolveHosts(task: nil, file: file, selection: top).map(\.text) == ["web1"])
    }

    @Test(arguments: [RoleTable.mostLevels, 5000]) func aChainOfTooManyRolesIsRefused(_ length: Int) throws {
        let text = "roles:\n  r0: web1\n" + (1...length).map { "  r\($0): '@r\($0 - 1)'\n" }.joined()
        #expect(try code(text) == .roleCycle)
        let reversed =
            "roles:\n" + (1...length).reversed().map { "  r\($0): '@r\($0 - 1)'\n" }.joined() + "  r0: web1\n"
        #expect(try code(reversed) == .roleCycle)
    }

    @Test func aPatternOfBillionsIsRefusedWhenItIsUsed() throws {
        let file = try Coordfile.parse("roles: {all: 'a[1-100000]b[1-100000]'}\n", path: "f")
        let error = #expect(throws: PlanningError.self) {
            try resolveHosts(task: nil, file: file, selection: HostSelection(roles: ["all"]))
        }
        #expect(error?.code == .invalidPattern)
    }

    @Test func aGlobOfManyStarsEnds() {
        let glob = Array(String(repeating: "*a", count: 100).utf8) + [UInt8(ascii: "b")]
        let name = [UInt8](repeating: UInt8(ascii: "a"), count: 255)
        #expect(!globMatches(glob, name))
    }

    /// Bytes of a good file changed, dropped and doubled: read or refused with a place, never a crash.
    @Test(arguments: 1...8) func damagedFilesAreReadOrRefused(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let whole = Array(GoodFileTests.whole.utf8)
        for round in 0..<250 {
            var bytes = whole
            for _ in 0...(random.next() % 3) {
                let index = Int(random.next() % UInt64(bytes.count))
                let new = Array("[]{}:,&*!|>'\"%@`#-? \t\n\\~a0".utf8)
                switch random.next() % 3 {
                case 0: bytes[index] = new[Int(random.next() % UInt64(new.count))]
                case 1: bytes.remove(at: index)
                default: bytes.insert(contentsOf: bytes[index..<min(index + 7, bytes.count)], at: index)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            do {
                _ = try Coordfile.parse(text, path: "f")
            } catch {
                let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }.count
                for problem in error.problems {
                    let place = "seed \(seed), round \(round): \(problem)"
                    #expect(problem.line.map { (1...lines).contains($0) } == true && problem.column != nil, "\(place)")
                }
            }
        }
    }
}

/// Random numbers that a seed repeats.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
