/// A box: every combination of the numbers of its sets, one set for each axis.
struct IndexVector: Sendable {
    private(set) var sets: [IndexSet]
    /// How many points it has.
    private(set) var size: Int

    init(_ sets: [IndexSet]) {
        self.sets = sets
        // A box may be only a candidate with more points than there are hosts: too large is as good as any number.
        size = sets.reduce(1) { product, set in
            let (value, overflow) = product.multipliedReportingOverflow(by: set.ranks.count)
            return overflow ? Int.max : value
        }
    }

    /// The only axis in which it differs from the other, if there is just one.
    func onlyDifference(from other: IndexVector) -> Int? {
        var difference: Int?
        for axis in sets.indices where sets[axis] != other.sets[axis] {
            if difference != nil {
                return nil
            }
            difference = axis
        }
        return difference
    }

    /// Adds a box that has no point in common and differs only in `axis`.
    mutating func merge(_ other: IndexVector, along axis: Int) {
        sets[axis].formUnion(disjoint: other.sets[axis])
        size += other.size
    }
}
