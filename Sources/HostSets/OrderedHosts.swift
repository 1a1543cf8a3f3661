/// Hosts in the order they came, under set operations that cost no more than their right side.
///
/// Each host has a slot; a removed host leaves its slot empty, so that a long chain of `!` terms does not copy the
/// list again and again. An intersection goes through all slots and closes the gaps: what is left is no larger than
/// its right side, so the next one is cheap. Slots of one name (with duplicates) are chained from the last back.
struct OrderedHosts {
    private static let none = -1

    private let keepDuplicates: Bool
    private var slots: [String?] = []
    private var previousSlot: [Int] = []
    private var lastSlot: [String: Int] = [:]
    /// How many hosts there are.
    private(set) var count = 0

    init(keepDuplicates: Bool) {
        self.keepDuplicates = keepDuplicates
    }

    var hosts: [String] {
        slots.compactMap { $0 }
    }

    mutating func apply(_ operation: SetOperation, _ operand: [String]) {
        switch operation {
        case .union:
            operand.forEach { append($0) }
        case .difference:
            operand.forEach { remove($0) }
        case .intersection:
            intersect(Set(operand))
        case .symmetricDifference:
            let new = operand.filter { lastSlot[$0] == nil }
            operand.forEach { remove($0) }
            new.forEach { append($0) }
        }
    }

    private mutating func append(_ host: String) {
        let last = lastSlot[host]
        if last != nil, !keepDuplicates {
            return
        }
        previousSlot.append(last ?? Self.none)
        lastSlot[host] = slots.count
        slots.append(host)
        count += 1
    }

    private mutating func remove(_ host: String) {
        var slot = lastSlot.removeValue(forKey: host) ?? Self.none
        while slot != Self.none {
            slots[slot] = nil
            count -= 1
            slot = previousSlot[slot]
        }
    }

    private mutating func intersect(_ others: Set<String>) {
        var kept = OrderedHosts(keepDuplicates: keepDuplicates)
        for case let host? in slots where others.contains(host) {
            kept.append(host)
        }
        self = kept
    }
}
