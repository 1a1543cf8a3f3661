import Coordinator
import Testing

@Suite struct PrintableTests {
    @Test(arguments: [
        ("plain text", "plain text"),
        ("tab\there", "tab\there"),
        ("ümlaut 漢字 🙂", "ümlaut 漢字 🙂"),
        ("\u{1b}[31mred\u{1b}[0m", "\\x1b[31mred\\x1b[0m"),
        ("over\rwritten", "over\\rwritten"),
        ("two\nlines", "two\\nlines"),
        ("bell\u{7}, del\u{7f}, nul\0", "bell\\x07, del\\x7f, nul\\x00"),
        ("right\u{202e}left", "right\\u{202e}left"),
        ("zero\u{200b}width \u{feff}", "zero\\u{200b}width \\u{feff}"),
        ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
        ("a \\ stays", "a \\ stays"),
    ])
    func controlsAreShownAndTextStays(_ input: String, _ expected: String) {
        var text: [UInt8] = []
        Printable.append(input.utf8, to: &text)
        #expect(String(decoding: text, as: UTF8.self) == expected)
    }

    @Test(
        arguments: [
            ([0xff], "\\xff"),
            ([0xc3], "\\xc3"),
            ([0xc3, 0x28], "\\xc3("),
            ([0xe2, 0x82], "\\xe2\\x82"),
            ([0xe2, 0x82, 0x41], "\\xe2\\x82A"),
            ([0xc0, 0xaf], "\\xc0\\xaf"),
            ([0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"),
            ([0xf4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"),
            ([0x41, 0xf0, 0x9f, 0x98, 0x0a], "A\\xf0\\x9f\\x98\\n"),
        ] as [([UInt8], String)]
    )
    func bytesThatAreNotUTF8AreShownOneByOne(_ input: [UInt8], _ expected: String) {
        var text: [UInt8] = []
        Printable.append(input, to: &text)
        #expect(String(decoding: text, as: UTF8.self) == expected)
    }

    @Test func linesAreCut() {
        #expect(Printable.line(String(repeating: "é", count: 100), limit: 7) == "ééééééé")
    }
}
