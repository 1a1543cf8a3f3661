import Scheduling

/// Keeps count of output that is under way to disk and terminal: a host is credited anew only when all of its sinks have
/// taken a chunk.
struct OutputLedger {
    private struct Chunk {
        let lease: Lease
        let count: Int
        var isWritten = false
        var printWaits = 0

        var isDone: Bool { isWritten && printWaits == 0 }
    }

    private var lastChunk: UInt64 = 0
    private var chunks: [UInt64: Chunk] = [:]
    private var due: [(lease: Lease, count: Int)] = []

    /// Bytes that no sink has finished with yet.
    private(set) var pendingCount = 0

    /// Chunks that printers have not printed.
    private(set) var unprintedCount = 0

    /// Opens a chunk that the recorder is about to get.
    mutating func open(_ lease: Lease, count: Int) -> UInt64 {
        lastChunk += 1
        chunks[lastChunk] = Chunk(lease: lease, count: count)
        pendingCount += count
        return lastChunk
    }

    /// A printer gets the chunk, too.
    mutating func waitForPrinting(of chunk: UInt64) {
        guard chunks[chunk] != nil else { return }
        chunks[chunk]?.printWaits += 1
        unprintedCount += 1
    }

    /// The recorder is done with the chunk.
    mutating func written(_ chunk: UInt64) {
        chunks[chunk]?.isWritten = true
        settle(chunk)
    }

    /// A printer is done with the chunk.
    mutating func printed(_ chunk: UInt64) {
        guard let waits = chunks[chunk]?.printWaits, waits > 0 else { return }
        chunks[chunk]?.printWaits = waits - 1
        unprintedCount -= 1
        settle(chunk)
    }

    /// Nobody takes what is printed any more: no chunk waits for it.
    mutating func abandonPrinting() {
        unprintedCount = 0
        for chunk in chunks.keys.sorted() {
            chunks[chunk]?.printWaits = 0
            settle(chunk)
        }
    }

    private mutating func settle(_ chunk: UInt64) {
        guard let entry = chunks[chunk], entry.isDone else { return }
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
