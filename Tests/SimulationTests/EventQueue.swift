/// What will happen, by time; what happens at the same time happens in the order in which it was planned.
struct EventQueue<Happening> {
    private struct Item {
        let time: Int64
        let order: Int
        /// Where the happening lies: the heap itself holds numbers only.
        let place: Int
    }

    private var heap: [Item] = []
    private var happenings: [Happening?] = []
    private var freePlaces: [Int] = []
    private var planned = 0

    var isEmpty: Bool { heap.isEmpty }

    mutating func plan(_ happening: Happening, at time: Int64) {
        let place = freePlaces.popLast() ?? happenings.count
        if place == happenings.count { happenings.append(happening) } else { happenings[place] = happening }
        heap.append(Item(time: time, order: planned, place: place))
        planned += 1
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func next() -> (time: Int64, happening: Happening)? {
        guard let first = heap.first, let happening = happenings[first.place] else { return nil }
        happenings[first.place] = nil
        freePlaces.append(first.place)
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == parent { return (first.time, happening) }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        let (first, second) = (heap[one], heap[other])
        return first.time < second.time || (first.time == second.time && first.order < second.order)
    }
}
