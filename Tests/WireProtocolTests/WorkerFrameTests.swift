import Testing
import WireProtocol

@Suite struct WorkerFrameTests {
    @Test(arguments: WorkerFrameKind.allCases)
    func everyKindSurvivesTheWay(_ kind: WorkerFrameKind) throws {
        let payload = [UInt8](repeating: 0xa5, count: min(kind.payloadLimit, 1000))
        var bytes: [UInt8] = []
        WorkerFrame(kind, payload).encode(into: &bytes)
        var parser = WorkerFrameParser()
        parser.append(bytes)
        #expect(try parser.next() == WorkerFrame(kind, payload))
        #expect(try parser.next() == nil)
        #expect(parser.pendingCount == 0)
    }

    @Test func framesCutAnywhereComeOutWhole() throws {
        let frames = [
            WorkerFrame(.stage, [3]), WorkerFrame(.claim), WorkerFrame(.stdout, Array(0...255)),
            WorkerFrame(.stderr, [0]), WorkerFrame(.returned, Array("no grant".utf8)),
        ]
        var bytes: [UInt8] = []
        for frame in frames { frame.encode(into: &bytes) }
        for size in 1...bytes.count {
            var parser = WorkerFrameParser()
            var found: [WorkerFrame] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                parser.append(bytes[start..<min(start + size, bytes.count)])
                while let frame = try parser.next() { found.append(frame) }
            }
            #expect(found == frames, "cut every \(size) bytes")
        }
    }

    @Test(arguments: [
        ([0, 0, 0, 0, 0], WorkerFrameError.unknownKind(0)),
        ([99, 0, 0, 0, 1], .unknownKind(99)),
        ([255, 0, 0, 0, 0], .unknownKind(255)),
        ([17, 0, 0, 0, 1], .tooLong(.claim, 1)),
        ([16, 0, 0, 0, 2], .tooLong(.stage, 2)),
        ([18, 0, 0, 0x80, 1], .tooLong(.stdout, 0x8001)),
        ([19, 0xff, 0xff, 0xff, 0xff], .tooLong(.stderr, 0xffff_ffff)),
        ([20, 0x7f, 0xff, 0xff, 0xff], .tooLong(.finished, 0x7fff_ffff)),
    ])
    func badHeadersAreRefusedBeforeTheirPayload(_ bytes: [UInt8], _ expected: WorkerFrameError) {
        var parser = WorkerFrameParser()
        parser.append(bytes)
        #expect(throws: expected) { try parser.next() }
    }
}
