import Testing

@testable import CoordCommand

@Suite struct LineAssemblerTests {
    /// What is shown of these pieces, each with what was shown right after it.
    private func shown(_ pieces: [String]) -> [String] {
        var assembler = LineAssembler(host: "web1")
        var steps: [String] = []
        for piece in pieces {
            var text: [UInt8] = []
            assembler.feed(Array(piece.utf8), into: &text)
            steps.append(String(decoding: text, as: UTF8.self))
        }
        var text: [UInt8] = []
        assembler.finish(into: &text)
        steps.append(String(decoding: text, as: UTF8.self))
        return steps
    }

    @Test(arguments: [
        (["one\ntwo\n"], ["web1: one\nweb1: two\n", ""]),
        (["par", "tial", "\n"], ["", "", "web1: partial\n", ""]),
        (["no end"], ["", "web1: no end\n"]),
        (["dos\r\nline\r\n"], ["web1: dos\nweb1: line\n", ""]),
        (["50%\r60%\n"], ["web1: 50%\\r60%\n", ""]),
        (["\n\n"], ["web1: \nweb1: \n", ""]),
        (["fake\nweb2: forged\u{1b}[2K\n"], ["web1: fake\nweb1: web2: forged\\x1b[2K\n", ""]),
        (["é"], ["", "web1: é\n"]),
    ])
    func linesAreWholeAndHarmless(_ pieces: [String], _ expected: [String]) {
        #expect(shown(pieces) == expected)
    }

    @Test func aCharacterCutBetweenTwoPiecesIsWhole() {
        var assembler = LineAssembler(host: "h")
        var text: [UInt8] = []
        let bytes = Array("é\n".utf8)
        for byte in bytes { assembler.feed([byte], into: &text) }
        #expect(String(decoding: text, as: UTF8.self) == "h: é\n")
    }

    @Test func aLineWithoutEndIsBrokenAndNeverHeld() {
        let steps = shown([String(repeating: "x", count: 3 * LineAssembler.lineLimit + 5)])
        let lines = steps[0].split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.allSatisfy { $0.utf8.count == LineAssembler.lineLimit + "web1: ".utf8.count })
        #expect(steps[1] == "web1: xxxxx\n")
    }
}
