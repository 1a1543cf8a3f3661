/// Some numbers of one axis, by rank, with a fingerprint that tells most different sets apart at once.
struct IndexSet: Equatable, Sendable {
    /// Ascending, each once.
    private(set) var ranks: [Int32]
    /// The wrapping sum of its members' hashes: equal for equal sets, cheap to keep up.
    private(set) var fingerprint: UInt64

    init(ranks: [Int32]) {
        self.ranks = ranks
        fingerprint = ranks.reduce(0) { $0 &+ Self.mix(UInt64($1)) }
    }

    static func == (left: IndexSet, right: IndexSet) -> Bool {
        left.fingerprint == right.fingerprint && left.ranks == right.ranks
    }

    /// Adds the members of a set that has none in common with this one.
    mutating func formUnion(disjoint other: IndexSet) {
        fingerprint &+= other.fingerprint
        guard let first = other.ranks.first, let last = ranks.last, first < last else {
            ranks += other.ranks
            return
        }
        if other.ranks.count == 1 {
            ranks.insert(first, at: ranks.position(above: first))
        } else {
            ranks = (ranks + other.ranks).sorted()
        }
    }

    /// The finalizer of splitmix64: every bit of the input changes half of the output.
    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
