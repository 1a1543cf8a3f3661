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

    @Test func creditComesOnceTheRecorderAndAllPrintersAreDone() {
        var ledger = OutputLedger()
        let chunk = ledger.open(lease, count: 100)
        ledger.waitForPrinting(of: chunk)
        ledger.waitForPrinting(of: chunk)
        #expect(ledger.pendingCount == 100)
        ledger.written(chunk)
        ledger.printed(chunk)
        #expect(due(&ledger) == [])
        ledger.printed(chunk)
        #expect(due(&ledger) == [100])
        #expect(due(&ledger) == [])
        #expect(ledger.pendingCount == 0 && ledger.unprintedCount == 0)
    }

    @Test func aChunkThatIsDoneTooOftenCountsOnce() {
        var ledger = OutputLedger()
        let chunk = ledger.open(lease, count: 10)
        for _ in 0..<3 { ledger.printed(chunk) }
        for _ in 0..<3 { ledger.written(chunk) }
        ledger.written(99)
        #expect(due(&ledger) == [10])
        #expect(ledger.unprintedCount == 0)
    }

    @Test func abandonedPrintingHoldsNothingUp() {
        var ledger = OutputLedger()
        let written = ledger.open(lease, count: 1)
        let unwritten = ledger.open(lease, count: 2)
        for chunk in [written, unwritten] { ledger.waitForPrinting(of: chunk) }
        ledger.written(written)
        ledger.abandonPrinting()
        #expect(due(&ledger) == [1])
        ledger.written(unwritten)
        #expect(due(&ledger) == [2])
    }
}
