import Coordfile
import Testing

@Suite struct DurationTests {
    @Test(
        arguments: [
            ("500ms", 500), ("1ms", 1), ("10s", 10_000), ("1.5s", 1500), ("0.001s", 1), ("5m", 300_000),
            ("0.5m", 30_000),
            ("1h", 3_600_000), ("8760h", 31_536_000_000), ("31536000000ms", 31_536_000_000), ("1.500000000s", 1500),
            ("007s", 7000), ("0.000000500h", nil), ("2.50m", 150_000),
        ] as [(String, Int?)]
    )
    func durationsAreRead(_ row: (text: String, milliseconds: Int?)) throws {
        if let milliseconds = row.milliseconds {
            #expect(try parseDuration(row.text) == .milliseconds(milliseconds))
        } else {
            #expect(throws: DurationError.self) { try parseDuration(row.text) }
        }
    }

    @Test(
        arguments: [
            ("", "is not a duration"), ("s", "is not a duration"), ("10", "write '10s' for seconds"),
            ("10 s", "has no unit that is known"), (" 10s", "is not a duration"), ("10s ", "has no unit that is known"),
            ("10S", "no unit that is known"), ("10sec", "no unit that is known"), ("1h30m", "no unit that is known"),
            ("1d", "no unit that is known"), ("-1s", "is not a duration"), ("+1s", "is not a duration"),
            ("0s", "is no time at all"), ("0.0h", "is no time at all"), ("00ms", "is no time at all"),
            ("0.5ms", "finer than a millisecond"), ("1.0001s", "finer than a millisecond"),
            ("1.0000000001h", "finer than a millisecond"), (".5s", "is not a number"), ("5.s", "is not a number"),
            ("1.2.3s", "is not a number"), (".", "no unit"), ("1,5s", "no unit that is known"), ("1e3s", "no unit"),
            ("8760.001h", "is longer than 365 days"), ("8761h", "is longer than 365 days"),
            ("999999999999h", "is longer than 365 days"), ("9999999999999ms", "is longer than 365 days"),
            ("99999999999999999999999999s", "is longer than 365 days"), ("１０s", "is not a duration"),
            ("1s\0", "no unit that is known"), ("\u{1B}[1s", "'\\u{1b}[1s' is not a duration"),
        ]
    )
    func otherTextsAreRefused(_ row: (text: String, says: String)) throws {
        let error = try #require(throws: DurationError.self) { try parseDuration(row.text) }
        #expect(error.description.contains(row.says), "\(error)")
        #expect(!error.description.contains("\u{1B}"))
    }
}
