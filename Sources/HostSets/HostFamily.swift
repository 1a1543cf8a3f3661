/// The hosts whose names differ only in their numbers, folded into boxes.
struct HostFamily: Sendable {
    /// Collects the members of a family.
    struct Builder {
        let key: [UInt8]
        private let texts: [[UInt8]]
        private let dimensions: Int
        /// The numbers of one host after those of another.
        private var points: [HostIndex] = []

        init(_ shape: HostShape) {
            key = shape.key
            texts = shape.texts
            dimensions = shape.indices.count
        }

        mutating func add(_ indices: [HostIndex]) {
            points += indices
        }

        func build() -> HostFamily {
            let axes = (0..<dimensions).map { dimension in
                IndexAxis(stride(from: dimension, to: points.count, by: dimensions).map { points[$0] })
            }
            return HostFamily(texts: texts, axes: axes, vectors: vectors(axes))
        }

        private func vectors(_ axes: [IndexAxis]) -> [IndexVector] {
            // A full box needs no search; no number at all is a box of one host.
            let box = IndexVector(axes.map { IndexSet(ranks: Array(0..<Int32($0.values.count))) })
            if dimensions < 2 {
                return [box]
            }
            let ranks = points.enumerated().map { axes[$0.offset % dimensions].rank(of: $0.element) }
            let distinct = distinctPoints(ranks)
            if box.size == distinct.count {
                return [box]
            }
            return VectorFolding(axes: axes, points: distinct).fold()
        }

        private func distinctPoints(_ ranks: [Int32]) -> [ArraySlice<Int32>] {
            let sorted = stride(from: 0, to: ranks.count, by: dimensions)
                .map { ranks[$0..<($0 + dimensions)] }
                .sorted { $0.lexicographicallyPrecedes($1) }
            var distinct: [ArraySlice<Int32>] = []
            for point in sorted where distinct.last != point {
                distinct.append(point)
            }
            return distinct
        }
    }

    private let texts: [[UInt8]]
    private let axes: [IndexAxis]
    private let vectors: [IndexVector]

    var count: Int {
        vectors.reduce(0) { $0 + $1.size }
    }

    func appendHosts(to hosts: inout [String]) {
        for vector in vectors {
            var chosen = Array(repeating: 0, count: axes.count)
            var host: [UInt8] = []
            for _ in 0..<vector.size {
                host.removeAll(keepingCapacity: true)
                for (dimension, axis) in axes.enumerated() {
                    host += texts[dimension]
                    axis.values[Int(vector.sets[dimension].ranks[chosen[dimension]])].append(to: &host)
                }
                host += texts[axes.count]
                hosts.append(String(decoding: host, as: UTF8.self))
                advance(&chosen, in: vector)
            }
        }
    }

    /// Moves to the next point of a box, the last number moving fastest; wraps around at the end.
    private func advance(_ chosen: inout [Int], in vector: IndexVector) {
        for dimension in chosen.indices.reversed() {
            chosen[dimension] += 1
            if chosen[dimension] < vector.sets[dimension].ranks.count {
                return
            }
            chosen[dimension] = 0
        }
    }

    func appendFolded(to bytes: inout [UInt8]) {
        for vector in vectors {
            if !bytes.isEmpty {
                bytes.append(ASCII.comma)
            }
            for (dimension, axis) in axes.enumerated() {
                bytes += texts[dimension]
                axis.appendFolded(vector.sets[dimension], to: &bytes)
            }
            bytes += texts[axes.count]
        }
    }
}
