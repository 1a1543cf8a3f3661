import Glibc
import WireProtocol

// A worker's end of its socket to the agent. Output is buffered up to a limit, and at the limit the worker stops
// reading from its host: that is how credit reaches the remote command. Nothing here waits.

/// The frames to and from the agent. Not thread-safe.
final class WorkerLink {
    /// What an agent may say after the job.
    enum Order {
        case grant
        case stop
    }

    /// Bytes that may wait for the agent before reading from the host stops.
    static let bufferLimit = 256 << 10

    let fd: Int32
    /// The agent is gone, or speaks nonsense: see ``isMalformed``.
    private(set) var isClosed = false
    private(set) var isMalformed = false
    private(set) var job: [UInt8]?
    private var orders: [Order] = []
    private var parser = WorkerFrameParser()
    private var outgoing: [UInt8] = []
    private var sent = 0
    private var hasClaimed = false

    init(fd: Int32) {
        self.fd = fd
    }

    /// What poll(2) should wait for.
    var pollEvents: Int16 { Int16(POLLIN) | (hasUnsent ? Int16(POLLOUT) : 0) }

    /// Whether something waits to be sent.
    var hasUnsent: Bool { sent < outgoing.count }

    /// Whether one more frame of output may be buffered.
    var hasRoom: Bool {
        outgoing.count - sent + WorkerFrame.headerSize + WorkerFrame.outputLimit <= WorkerLink.bufferLimit
    }

    /// The oldest order not taken yet.
    func takeOrder() -> Order? {
        orders.isEmpty ? nil : orders.removeFirst()
    }

    /// Buffers a frame, and sends what the socket takes.
    func send(_ kind: WorkerFrameKind, _ payload: some Collection<UInt8>) {
        // What was sent goes before it outweighs what waits: under steady back-pressure nothing ever drains whole.
        if sent > WorkerLink.bufferLimit {
            outgoing.removeSubrange(..<sent)
            sent = 0
        }
        WorkerFrame.encodeHeader(kind, payloadCount: payload.count, into: &outgoing)
        outgoing.append(contentsOf: payload)
        if kind == .claim { hasClaimed = true }
        flush()
    }

    /// Sends what the socket takes.
    func flush() {
        while hasUnsent, !isClosed {
            let count = outgoing.withUnsafeBytes { bytes in
                Glibc.send(fd, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { isClosed = true }
                return
            }
            sent += count
        }
        outgoing.removeAll(keepingCapacity: true)
        sent = 0
    }

    /// Takes what came from the agent.
    func receive() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !isClosed {
            let count = recv(fd, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { isClosed = true }
                return
            }
            guard count > 0 else {
                isClosed = true
                return
            }
            parser.append(buffer[..<count])
            takeFrames()
        }
    }

    private func takeFrames() {
        do throws(WorkerFrameError) {
            while let frame = try parser.next() {
                take(frame)
            }
        } catch {
            isMalformed = true
        }
        if isMalformed { isClosed = true }
    }

    private func take(_ frame: WorkerFrame) {
        switch frame.kind {
        case .job:
            if job != nil { isMalformed = true }
            job = frame.payload
        case .grant:
            if !hasClaimed || orders.contains(.grant) { isMalformed = true }
            orders.append(.grant)
        case .stop:
            if job == nil { isMalformed = true }
            if !orders.contains(.stop) { orders.append(.stop) }
        case .stage, .claim, .stdout, .stderr, .finished, .returned, .turnedAway:
            isMalformed = true
        }
    }
}
