// The process that forks. An agent's main() starts it before anything else: it has one thread, holds no socket and no
// key of the agent, and its libraries are warm, so that a fork of it is cheap and safe. Per worker: the agent makes a
// socket pair, sends one end with a `spawn`; the pool forks; the child keeps that end and nothing else. The pool reaps
// its children and reports each end once. The agent asks it to SIGKILL a worker: only the parent can do that without
// hitting another process that got the same number. When the agent goes away the workers see it on their own sockets;
// the pool gives them `teardownGrace` to end their remote commands, kills what is left, and exits.

import CForkPool
import Glibc

/// An agent's handle on its pool process.
///
/// Not thread-safe: it belongs to the agent's event loop.
public final class ForkPool {
    /// What the pool process tells.
    public enum Report: Equatable, Sendable {
        /// The worker runs as this process.
        case started(WorkerID, pid: Int32)
        /// The worker ended and was reaped.
        case ended(WorkerID, ProcessEnd)
        /// fork(2) failed with this errno; no process stands behind the worker.
        case failed(WorkerID, errno: Int32)
        /// The pool process is gone. Nothing more will come.
        case gone
    }

    /// Seconds that workers have to end by themselves once the agent is gone.
    public static let teardownGrace = 10.0

    /// The pool's process.
    public let pid: Int32
    /// Readable when a report waits; for the agent's poller.
    public private(set) var descriptor: Int32
    /// Reports that were read while a message waited to be sent.
    private var readAhead: [Report] = []

    private init(pid: Int32, descriptor: Int32) {
        self.pid = pid
        self.descriptor = descriptor
    }

    deinit { close() }

    /// Forks the pool process. To be called while this process has one thread.
    ///
    /// - Parameters:
    ///   - title: the words of the pool's process title.
    ///   - prepare: runs once in the pool process: close what was inherited, warm libraries.
    ///   - worker: runs in each worker with its socket.
    /// - Throws: ``ForkPoolError`` of socketpair(2) or fork(2).
    public static func start(
        title: [String],
        prepare: () -> Void,
        worker: (Int32) -> Never
    ) throws(ForkPoolError) -> ForkPool {
        var pair: [Int32] = [-1, -1]
        _ = try checkErrno(
            socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | O_CLOEXEC, 0, &pair),
            "socketpair for the pool"
        )
        let pid = try check(Int(cforkpool_fork()), "fork of the pool process")
        if pid == 0 {
            Glibc.close(pair[0])
            ProcessTitle.set(title)
            prepare()
            PoolProcess(control: pair[1]).run(worker: worker)
        }
        Glibc.close(pair[1])
        let flags = fcntl(pair[0], F_GETFL)
        _ = try checkErrno(fcntl(pair[0], F_SETFL, flags | O_NONBLOCK), "fcntl of the pool's socket")
        return ForkPool(pid: Int32(pid), descriptor: pair[0])
    }

    /// Asks for a worker on `socket`, whose ownership stays with the caller (close it after this call).
    ///
    /// - Throws: ``ForkPoolError``; EPIPE when the pool is gone.
    public func spawn(_ worker: WorkerID, title: [String], socket: Int32) throws(ForkPoolError) {
        try send(.spawn(worker, title: title), with: socket)
    }

    /// SIGKILL for a worker; nothing happens when it has ended already.
    ///
    /// - Throws: as ``spawn(_:title:socket:)``.
    public func kill(_ worker: WorkerID) throws(ForkPoolError) {
        try send(.kill(worker), with: -1)
    }

    /// Makes this process the parent of workers whose pool was killed, so that ``killOrphan(pid:)`` reaches them.
    public static func adoptOrphans() { cforkpool_adopt_orphans() }

    /// Whether a child of this process is still running; reaps it when not. False when `pid` is no child.
    public static func orphanIsAlive(pid: Int32) -> Bool {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == 0
    }

    /// Ends and reaps a worker that outlived its pool. Nothing happens when `pid` is not a child of this process.
    public static func killOrphan(pid: Int32) {
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == 0 else { return }
        Glibc.kill(pid, SIGKILL)
        waitpid(pid, &status, 0)
    }

    /// Reports wait although ``descriptor`` may not be readable any more.
    public var hasReadAhead: Bool { !readAhead.isEmpty }

    /// The next report, or nil when none waits.
    public func nextReport() -> Report? {
        readAhead.isEmpty ? receiveReport() : readAhead.removeFirst()
    }

    private func receiveReport() -> Report? {
        guard descriptor >= 0 else { return nil }
        while true {
            var packet = [UInt8](repeating: 0, count: PoolMessage.limit)
            var attached: Int32 = -1
            let count = cforkpool_receive(descriptor, &packet, packet.count, &attached)
            if attached >= 0 { Glibc.close(attached) }
            if count == -Int(EAGAIN) { return nil }
            if count <= 0 {
                close()
                return .gone
            }
            switch PoolMessage(decoding: packet[..<count]) {
            case .started(let worker, let pid): return .started(worker, pid: pid)
            case .ended(let worker, let status): return .ended(worker, ProcessEnd(waitStatus: status))
            case .failed(let worker, let errno): return .failed(worker, errno: errno)
            case .spawn, .kill, nil: continue
            }
        }
    }

    /// Lets go of the pool process, which then ends with its workers. Can be called twice.
    public func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    private func send(_ message: PoolMessage, with socket: Int32) throws(ForkPoolError) {
        let bytes = message.encoded
        while descriptor >= 0 {
            let result = cforkpool_send(descriptor, bytes, bytes.count, socket)
            if result != -Int(EAGAIN) {
                _ = try check(result, "message to the pool process")
                return
            }
            // The pool forks as fast as it can, unless it waits for its own reports to be read: so read them.
            while let report = receiveReport() { readAhead.append(report) }
            var item = pollfd(fd: descriptor, events: Int16(POLLIN | POLLOUT), revents: 0)
            _ = poll(&item, 1, 1000)
        }
        throw ForkPoolError(code: EPIPE, operation: "message to the pool process")
    }
}
