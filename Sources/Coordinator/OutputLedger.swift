import Scheduling

/// Keeps count of output that is under way to disk and terminal: a host is credited anew only when all of its sinks have
/// taken a chunk.
struct OutputLedger {
    private struct Chunk {
        let lease: Lease
        let count: Int
        var waits: Int
    }

    private var lastChunk: UInt64 = 0
    private var chunks: [UInt64: Chunk] = [:]
    private var due: [(lease: Lease, count: Int)] = []

    /// Bytes that no sink has finished with yet.
    private(set) var pendingCount = 0

    /// Opens a chunk that nothing waits for yet.
    mutating func open(_ lease: Lease, count: Int) -> UInt64 {
        lastChunk += 1
        chunks[lastChunk] = Chunk(lease: lease, count: count, waits: 0)
        pendingCount += count
        return lastChunk
    }

    /// One more sink has the chunk.
    mutating func wait(for chunk: UInt64) { chunks[chunk]?.waits += 1 }

    /// A sink is done with the chunk.
    mutating func consumed(_ chunk: UInt64) {
        guard var entry = chunks[chunk] else { return }
        entry.waits -= 1
        if entry.waits > 0 {
            chunks[chunk] = entry
            return
        }
        chunks[chunk] = nil
        pendingCount -= entry.count
        due.append((entry.lease, entry.count))
    }

    /// Credits bytes that no sink wanted.
    mutating func credit(_ lease: Lease, count: Int) { due.append((lease, count)) }

    /// What is to be credited since the last call.
    mutating func takeDue() -> [(lease: Lease, count: Int)] {
        defer { due.removeAll(keepingCapacity: true) }
        return due
    }
}
