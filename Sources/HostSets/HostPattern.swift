/// One pattern such as `deploy@web[01-99].dc[1,3]:2222`, counted before it is expanded.
struct HostPattern: Hashable, Sendable {
    /// A piece of a pattern.
    enum Segment: Hashable, Sendable {
        case text([UInt8])
        /// The ranges of one pair of brackets, never empty.
        case ranges([NumberRange])
    }

    let segments: [Segment]
    /// How many hosts it stands for, those written twice counted twice; nil when that does not fit into an `Int`.
    let count: Int?

    init(segments: [Segment]) {
        self.segments = segments
        var count: Int? = 1
        for case .ranges(let ranges) in segments {
            count = count.flatMap { product in
                Self.sum(of: ranges).flatMap { sum in
                    let (value, overflow) = product.multipliedReportingOverflow(by: sum)
                    return overflow ? nil : value
                }
            }
        }
        self.count = count
    }

    private static func sum(of ranges: [NumberRange]) -> Int? {
        var sum = 0
        for range in ranges {
            let (value, overflow) = sum.addingReportingOverflow(range.count)
            if overflow {
                return nil
            }
            sum = value
        }
        return sum
    }

    /// The first host it stands for; enough to check everything that no range changes.
    var firstHost: [UInt8] {
        segments.flatMap { segment in
            switch segment {
            case .text(let bytes): bytes
            case .ranges(let ranges): ranges[0].text(of: ranges[0].first)
            }
        }
    }

    /// Calls `body` with each host, the last brackets moving fastest; the caller has checked `count`.
    func forEachHost<Failure: Error>(_ body: ([UInt8]) throws(Failure) -> Void) throws(Failure) {
        let choices: [[[UInt8]]] = segments.map { segment in
            switch segment {
            case .text(let bytes): [bytes]
            case .ranges(let ranges): ranges.flatMap(\.texts)
            }
        }
        var chosen = Array(repeating: 0, count: choices.count)
        var host: [UInt8] = []
        while true {
            host.removeAll(keepingCapacity: true)
            for (index, texts) in zip(chosen, choices) {
                host += texts[index]
            }
            try body(host)
            // The odometer: raise the last wheel that can still move, and reset the ones behind it.
            guard let wheel = choices.indices.last(where: { chosen[$0] + 1 < choices[$0].count }) else {
                return
            }
            chosen[wheel] += 1
            for behind in (wheel + 1)..<choices.count {
                chosen[behind] = 0
            }
        }
    }
}
