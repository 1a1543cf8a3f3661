import Testing
import WireProtocol

@Suite struct LinkQueueTests {
    /// What would be sent now, with the numbers.
    private func sendAll(_ outbox: inout LinkOutbox<String>) -> [String] {
        var sent: [String] = []
        while let (number, message) = outbox.nextUnsent {
            sent.append("\(number)\(message)")
            outbox.markSent()
        }
        return sent
    }

    @Test func whatIsNotAcknowledgedIsSentAgainAfterAReconnect() {
        var outbox = LinkOutbox<String>()
        for message in ["a", "b", "c", "d"] { outbox.append(message) }
        #expect(sendAll(&outbox) == ["1a", "2b", "3c", "4d"])
        outbox.acknowledge(upTo: 1)
        outbox.append("e")
        outbox.rewind(peerHas: 2)
        #expect(sendAll(&outbox) == ["3c", "4d", "5e"])
        outbox.acknowledge(upTo: 5)
        #expect(outbox.count == 0)
    }

    @Test(arguments: [UInt64(0), 3, 4, .max])
    func acknowledgingWhatWasNeverSentDropsNothingUnsent(_ number: UInt64) {
        var outbox = LinkOutbox<String>()
        outbox.append("a")
        outbox.append("b")
        _ = outbox.nextUnsent
        outbox.markSent()
        outbox.acknowledge(upTo: number)
        #expect(outbox.count == (number == 0 ? 2 : 1))
        #expect(sendAll(&outbox) == ["2b"])
    }

    @Test func whatWasNeverSentIsNotAcknowledgedByARewind() {
        var outbox = LinkOutbox<String>()
        outbox.append("a")
        #expect(sendAll(&outbox) == ["1a"])
        outbox.append("b")
        outbox.rewind(peerHas: .max)
        #expect(sendAll(&outbox) == ["2b"])
    }

    @Test func aNewCoordinatorGetsTheRestNumberedFromOne() {
        var outbox = LinkOutbox<String>()
        for message in ["a", "b", "c"] { outbox.append(message) }
        _ = sendAll(&outbox)
        outbox.acknowledge(upTo: 2)
        outbox.renumber()
        #expect(sendAll(&outbox) == ["1c"])
    }

    @Test func theInboxTakesEachNumberOnceAndInOrder() {
        var inbox = LinkInbox()
        let verdicts = [1, 2, 2, 1, 4, 3, 4, 0].map { inbox.accept(UInt64($0)) }
        #expect(verdicts == [.deliver, .deliver, .duplicate, .duplicate, .gap, .deliver, .deliver, .duplicate])
        #expect(inbox.received == 4)
    }

    @Test func aFullOutboxSaysSo() {
        var outbox = LinkOutbox<UInt8>()
        for _ in 0..<LinkLimit.unacknowledged { outbox.append(0) }
        #expect(outbox.isFull)
    }

    @Test func pongsShowWhatWasLostAtTheEnd() {
        var watch = LinkWatch()
        let first = watch.nextPing(sent: 5)
        #expect(!watch.isMissing(token: first, acknowledged: 5, peerSent: 3, received: 3))
        #expect(!watch.isMissing(token: first, acknowledged: 9, peerSent: 3, received: 4))
        #expect(watch.isMissing(token: first, acknowledged: 4, peerSent: 3, received: 3))
        #expect(watch.isMissing(token: first, acknowledged: 5, peerSent: 4, received: 3))
        let second = watch.nextPing(sent: 7)
        #expect(
            !watch.isMissing(token: first, acknowledged: 5, peerSent: 3, received: 3),
            "an old pong says nothing of later messages"
        )
        #expect(watch.isMissing(token: second, acknowledged: 6, peerSent: 3, received: 3))
    }
}
