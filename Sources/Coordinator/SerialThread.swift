import Foundation
import Glibc
import Synchronization

/// One thread that does slow things (disk, terminal) in order, so that the event loop never waits for them.
///
/// Jobs that came together are given to the body together, so that it can group them; what it answers is collected by
/// the loop when ``descriptor`` is readable. The queue has no limit of its own: output in it is bounded by byte credit,
/// everything else by the entries of the run.
final class SerialThread<Job: Sendable, Completion: Sendable>: Sendable {
    private struct State {
        var jobs: [Job] = []
        var completions: [Completion] = []
        var isClosing = false
        var hasEnded = false
    }

    /// The most jobs in one group: bounds a transaction.
    private static var groupLimit: Int { 4096 }

    private let state = Mutex(State())
    private let wake: (read: Int32, write: Int32)
    private let done: (read: Int32, write: Int32)

    /// Starts the thread. `makeBody` runs on it once; what it returns gets each group of jobs.
    ///
    /// - Throws: ``CoordinatorError`` when the process is out of descriptors.
    init(
        name: String,
        makeBody: @escaping @Sendable () -> ([Job]) -> [Completion]
    ) throws(CoordinatorError) {
        wake = try Pipe.make(for: name)
        done = try Pipe.make(for: name)
        let thread = Thread { [self] in serve(makeBody()) }
        thread.name = name
        thread.start()
    }

    deinit {
        for descriptor in [wake.read, wake.write, done.read, done.write] { Glibc.close(descriptor) }
    }

    /// Readable when completions wait, or the thread has ended.
    var descriptor: Int32 { done.read }

    /// Nothing is queued or under way, and no completion waits.
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// Queues a job. Not to be called after ``close()``.
    func submit(_ job: Job) {
        let wasEmpty = state.withLock { state in
            state.jobs.append(job)
            return state.jobs.count == 1
        }
        if wasEmpty { Pipe.signal(wake.write) }
    }

    /// What was completed since the last call.
    func takeCompletions() -> [Completion] {
        Pipe.drain(done.read)
        return state.withLock { state in
            defer { state.completions.removeAll(keepingCapacity: true) }
            return state.completions
        }
    }

    /// The thread ends once it has done all jobs.
    func close() {
        state.withLock { $0.isClosing = true }
        Pipe.signal(wake.write)
    }

    private func serve(_ body: ([Job]) -> [Completion]) {
        while true {
            let (group, isClosing) = state.withLock { state in
                let group = Array(state.jobs.prefix(Self.groupLimit))
                state.jobs.removeFirst(group.count)
                return (group, state.isClosing)
            }
            if group.isEmpty {
                if isClosing { break }
                Pipe.wait(wake.read)
                continue
            }
            let completions = body(group)
            state.withLock { $0.completions.append(contentsOf: completions) }
            if !completions.isEmpty { Pipe.signal(done.write) }
        }
        state.withLock { $0.hasEnded = true }
        Pipe.signal(done.write)
    }
}

/// Non-blocking pipes as wake-up calls.
enum Pipe {
    /// A pair, both ends close-on-exec and non-blocking. Sockets, since pipe2(2) can't be imported.
    static func make(for purpose: String) throws(CoordinatorError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw CoordinatorError(.outOfResources, "a pipe for \(purpose)", errno: errno)
        }
        return (ends[0], ends[1])
    }

    /// Makes the read end readable. A full pipe is readable already.
    static func signal(_ descriptor: Int32) {
        var byte: UInt8 = 1
        _ = send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    /// Empties the pipe.
    static func drain(_ descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: 256)
        while Glibc.read(descriptor, &bytes, bytes.count) > 0 {}
    }

    /// Waits until it is readable, then empties it.
    static func wait(_ descriptor: Int32) {
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&item, 1, -1)
        drain(descriptor)
    }
}
