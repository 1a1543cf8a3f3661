import Coordfile
import Testing

@Suite struct SpellingTests {
    static let words = ["run", "roles", "retries", "pool_size", "parallel", "connect_timeout", "timeout"]

    @Test(
        arguments: [
            ("rnu", "run"), ("ron", "run"), ("RUN", "run"), ("rule", nil), ("role", "roles"), ("rolse", "roles"),
            ("retrys", "retries"), ("poolsize", "pool_size"), ("pool-size", "pool_size"), ("paralell", "parallel"),
            ("connecttimeout", "connect_timeout"), ("timout", "timeout"), ("tiemout", "timeout"), ("", nil), ("x", nil),
            ("xyz", nil), ("parachute", nil), ("runs", "run"), ("un", "run"), ("zz", nil),
            ("\u{1F600}", nil), (String(repeating: "run", count: 30), nil),
        ] as [(String, String?)]
    )
    func theNearestWordIsFound(_ row: (word: String, nearest: String?)) {
        #expect(nearest(row.word, among: Self.words) == row.nearest)
    }

    @Test func theFirstOfEquallyNearWordsIsTaken() {
        #expect(nearest("web", among: ["wet", "wed"]) == "wet")
        #expect(nearest("wed", among: ["wet", "wed"]) == "wed")
        #expect(nearest("wed", among: []) == nil)
    }
}
