import ForkPool
import Glibc
import WireProtocol

/// The agent's end of one worker's socket: frames in, frames out, and the credit that its output uses up.
///
/// Without credit the agent does not read it; the worker then stops reading its SSH channel, and the command waits.
final class WorkerPipe {
    let worker: WorkerID
    let key: AgentMachine.EntryKey
    /// -1 once closed.
    private(set) var descriptor: Int32
    private var parser = WorkerFrameParser()
    private var unwritten: [UInt8] = []

    /// Output bytes that may still be sent to the coordinator; can fall below 0 by at most one read.
    var credit: Int
    /// In the poller.
    var isWatched = false
    /// How it ended, once the pool has reaped it.
    var end: ProcessEnd?
    /// The worker's process, once the pool has told it.
    var pid: Int32?
    /// The result of its last frame.
    var result: WireResult?

    /// The most bytes of one read; also what a pipe without credit may hold in this process.
    static let readLimit = 64 << 10

    init(worker: WorkerID, key: AgentMachine.EntryKey, descriptor: Int32, credit: Int) {
        self.worker = worker
        self.key = key
        self.descriptor = descriptor
        self.credit = credit
    }

    deinit { close() }

    /// Read to its end.
    var isClosed: Bool { descriptor < 0 }

    /// Sends a frame; what the socket does not take now goes out with ``flush()``.
    func send(_ frame: WorkerFrame) {
        guard !isClosed else { return }
        frame.encode(into: &unwritten)
        flush()
    }

    /// Writes what waits. A worker that is gone shows itself by the end of its stream.
    func flush() {
        guard !isClosed else { return }
        while !unwritten.isEmpty {
            let count = unwritten.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { unwritten.removeAll() }
                return
            }
            unwritten.removeFirst(count)
        }
    }

    /// True while the socket has not taken everything.
    var hasUnwritten: Bool { !unwritten.isEmpty }

    /// Reads once into the parser; closes at the end of the stream.
    ///
    /// - Returns: false when nothing could be read for now or ever.
    func fill(into buffer: UnsafeMutableRawBufferPointer) -> Bool {
        guard !isClosed else { return false }
        var count: Int
        repeat {
            count = recv(descriptor, buffer.baseAddress, min(buffer.count, Self.readLimit), 0)
        } while count < 0 && errno == EINTR
        if count > 0 {
            parser.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            return true
        }
        if count == 0 || errno != EAGAIN { close() }
        return false
    }

    /// The next whole frame.
    func nextFrame() throws(WorkerFrameError) -> WorkerFrame? { try parser.next() }

    /// Can be called twice.
    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }
}
