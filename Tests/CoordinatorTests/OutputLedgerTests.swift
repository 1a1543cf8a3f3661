import Scheduling
import Testing

@testable import Coordinator

@Suite struct OutputLedgerTests {
    private let lease = Lease(
        entry: EntryID(3),
        attempt: Attempt(1),
        agent: AgentID(0),
        incarnation: Incarnation(1)
    )

    private func due(_ ledger: inout OutputLedger) -> [Int] { ledger.takeDue().map(\.count) }

    @Test func creditComesOnceEverySinkIsDone() {
        var ledger = OutputLedger()
        let chunk = ledger.open(lease, count: 100)
        ledger.wait(for: chunk)
        ledger.wait(for: chunk)
        #expect(ledger.pendingCount == 100)
        ledger.consumed(chunk)
        #expect(due(&ledger) == [])
        ledger.consumed(chunk)
        #expect(due(&ledger) == [100])
        #expect(due(&ledger) == [])
        #expect(ledger.pendingCount == 0)
    }

    @Test func aChunkThatIsConsumedTooOftenCountsOnce() {
        var ledger = OutputLedger()
        let chunk = ledger.open(lease, count: 10)
        ledger.wait(for: chunk)
        for _ in 0..<3 { ledger.consumed(chunk) }
        ledger.consumed(99)
        #expect(due(&ledger) == [10])
    }
}
