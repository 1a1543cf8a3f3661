import Glibc
import Testing

@testable import ForkPool

@Suite struct PoolMessageTests {
    @Test(arguments: [
        PoolMessage.spawn(WorkerID(rawValue: 1), title: ["coord-agent:", "web01", "[poke]"]),
        .kill(WorkerID(rawValue: .max)),
        .started(WorkerID(rawValue: 7), pid: 4_194_304),
        .ended(WorkerID(rawValue: 7), waitStatus: 0x0b),
        .failed(WorkerID(rawValue: 7), errno: EAGAIN),
    ])
    func everyMessageSurvivesTheWay(_ message: PoolMessage) {
        #expect(PoolMessage(decoding: message.encoded[...]) == message)
    }

    @Test(
        arguments: [
            [], [1], [0, 0, 0, 0, 0, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0, 0, 0], [3, 1, 0, 0, 0, 0, 0, 0, 0],
            [4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3], [5, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5],
        ] as [[UInt8]]
    )
    func whatIsNoMessageIsNone(_ bytes: [UInt8]) {
        #expect(PoolMessage(decoding: bytes[...]) == nil)
    }

    @Test func aLongTitleIsCutToTheLimit() {
        let long = PoolMessage.spawn(WorkerID(rawValue: 1), title: [String(repeating: "x", count: 5000)])
        #expect(long.encoded.count == PoolMessage.limit)
    }

    @Test(
        arguments: [
            (0, .exited(0)), (0x700, .exited(7)), (0xff00, .exited(255)), (9, .signalled(9)), (0x8b, .signalled(11)),
        ] as [(Int32, ProcessEnd)]
    )
    func waitStatusesAreRead(_ status: Int32, _ end: ProcessEnd) {
        #expect(ProcessEnd(waitStatus: status) == end)
    }
}
