/// The queued entries of one reach class: the listed order, with what came back in front at its listed place.
struct EntryQueue {
    private var listed: [EntryID] = []
    private var head = 0
    /// Sorted from the highest down, so that the next one is the last.
    private var returned: [EntryID] = []

    var isEmpty: Bool { head == listed.count && returned.isEmpty }
    var count: Int { listed.count - head + returned.count }

    /// The entry to lease next.
    var first: EntryID? {
        let next = head < listed.count ? listed[head] : nil
        guard let back = returned.last else { return next }
        guard let next else { return back }
        return min(back, next)
    }

    /// Queues an entry behind all others; entries come in the listed order.
    mutating func append(_ entry: EntryID) { listed.append(entry) }

    /// Takes ``first`` out.
    mutating func removeFirst() -> EntryID? {
        guard let entry = first else { return nil }
        if returned.last == entry {
            returned.removeLast()
        } else {
            head += 1
        }
        return entry
    }

    /// Puts back an entry that was taken out.
    mutating func putBack(_ entry: EntryID) {
        var low = 0
        var high = returned.count
        while low < high {
            let middle = (low + high) / 2
            if returned[middle] > entry { low = middle + 1 } else { high = middle }
        }
        returned.insert(entry, at: low)
    }

    /// Takes everything out, in the listed order.
    mutating func removeAll() -> [EntryID] {
        var entries: [EntryID] = []
        while let entry = removeFirst() { entries.append(entry) }
        return entries
    }
}
