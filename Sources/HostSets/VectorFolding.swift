/// Folds points with several numbers into boxes, with the boxes and the order that nodeset arrives at.
///
/// Every pass sorts the boxes (large ones first) and merges each with later ones that differ in one axis only; boxes
/// never overlap, so two such boxes are disjoint there. Easy passes stop at the first box that does not merge; when
/// one changes nothing, full passes look at all later boxes, until nothing changes any more. A full pass would take
/// n² comparisons; here all boxes are filed under what they are without one axis, so that partners are looked up.
/// Every pass but the last two merges something, so there are fewer passes than points. Families for which the
/// files would be too large get easy passes only: the result is right, but less folded.
struct VectorFolding {
    /// Entries of all files together: about 100 MB.
    private static let maximumFiled = 4_000_000

    private let axes: [IndexAxis]
    private var boxes: [IndexVector]

    /// - Parameter points: ranks, one for each axis; each point once.
    init(axes: [IndexAxis], points: [ArraySlice<Int32>]) {
        self.axes = axes
        boxes = points.map { point in IndexVector(point.map { IndexSet(ranks: [$0]) }) }
    }

    consuming func fold() -> [IndexVector] {
        repeat {
            sort()
        } while mergeNeighbours()
        guard boxes.count <= Self.maximumFiled / axes.count else {
            return boxes
        }
        repeat {
            sort()
        } while mergeAll()
        return boxes
    }

    /// By size, larger first; then axis by axis: longer sets first, then by the texts of first and last member.
    private mutating func sort() {
        let order = boxes.indices.sorted { left, right in
            precedes(boxes[left], boxes[right]) ?? (left < right)
        }
        boxes = order.map { boxes[$0] }
    }

    /// Nil when the order does not tell them apart.
    private func precedes(_ left: IndexVector, _ right: IndexVector) -> Bool? {
        if left.size != right.size {
            return left.size > right.size
        }
        for (axis, pair) in zip(axes, zip(left.sets, right.sets)) {
            let (mine, others) = (pair.0.ranks, pair.1.ranks)
            if mine.count != others.count {
                return mine.count > others.count
            }
            if mine[0] != others[0] {
                return axis.textOrder[Int(mine[0])] < axis.textOrder[Int(others[0])]
            }
            let (myLast, othersLast) = (mine[mine.count - 1], others[others.count - 1])
            if myLast != othersLast {
                return axis.textOrder[Int(myLast)] < axis.textOrder[Int(othersLast)]
            }
        }
        return nil
    }

    /// An easy pass; whether it changed anything.
    private mutating func mergeNeighbours() -> Bool {
        var merged: [IndexVector] = []
        var position = 0
        while position < boxes.count {
            var box = boxes[position]
            position += 1
            while position < boxes.count, let axis = box.onlyDifference(from: boxes[position]) {
                box.merge(boxes[position], along: axis)
                position += 1
            }
            merged.append(box)
        }
        let isChanged = merged.count < boxes.count
        boxes = merged
        return isChanged
    }

    /// A full pass; whether it changed anything.
    private mutating func mergeAll() -> Bool {
        let files = filed()
        var isTaken = Array(repeating: false, count: boxes.count)
        var merged: [IndexVector] = []
        for start in boxes.indices where !isTaken[start] {
            var box = boxes[start]
            var position = start
            while let (partner, axis) = partner(of: box, after: position, files: files, isTaken: isTaken) {
                box.merge(boxes[partner], along: axis)
                isTaken[partner] = true
                position = partner
            }
            merged.append(box)
        }
        let isChanged = merged.count < boxes.count
        boxes = merged
        return isChanged
    }

    /// The positions of all boxes, ascending, under each of their keys.
    private func filed() -> [UInt64: [Int32]] {
        var files: [UInt64: [Int32]] = [:]
        files.reserveCapacity(boxes.count * axes.count)
        for (position, box) in boxes.enumerated() {
            for key in keys(of: box) {
                files[key, default: []].append(Int32(position))
            }
        }
        return files
    }

    /// For each axis a hash of everything but that axis.
    private func keys(of box: IndexVector) -> [UInt64] {
        let parts = box.sets.enumerated().map { axis, set in
            IndexSet.mix(set.fingerprint &+ IndexSet.mix(UInt64(axis)))
        }
        let sum = parts.reduce(0, &+)
        return parts.enumerated().map { axis, part in
            IndexSet.mix((sum &- part) ^ IndexSet.mix(UInt64(axis)))
        }
    }

    /// The next box that differs from this one in one axis only; keys may collide, so each is compared.
    private func partner(
        of box: IndexVector,
        after position: Int,
        files: [UInt64: [Int32]],
        isTaken: [Bool]
    ) -> (position: Int, axis: Int)? {
        var nearest: (position: Int, axis: Int)?
        for key in keys(of: box) {
            guard let candidates = files[key] else {
                continue
            }
            for candidate in candidates[candidates.position(above: Int32(position))...] {
                let candidate = Int(candidate)
                if let nearest, nearest.position <= candidate {
                    break
                }
                if !isTaken[candidate], let axis = box.onlyDifference(from: boxes[candidate]) {
                    nearest = (candidate, axis)
                    break
                }
            }
        }
        return nearest
    }
}
