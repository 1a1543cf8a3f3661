// The pipe between an agent and one worker: a stream of frames, each a kind, a length, and that many bytes.
//
//     +------+-------------------------+-----------------+
//     | kind | length, 32 bit, big end | payload         |
//     +------+-------------------------+-----------------+
//
// A worker talks to a hostile host, so the agent takes nothing from this pipe on trust: an unknown kind or a length
// above the kind's limit is an error, and the agent ends that worker and no other.

/// What one frame on a worker's pipe carries.
public enum WorkerFrameKind: UInt8, Sendable, CaseIterable {
    // MARK: Agent to worker

    /// ``WireWorkerJob``: what to do; the first frame, once.
    case job = 1
    /// The claim was granted; empty.
    case grant = 2
    /// Stop what runs, end the remote command, report; empty.
    case stop = 3

    // MARK: Worker to agent

    /// The worker entered a stage: one byte, a ``WireStage``.
    case stage = 16
    /// Authenticated, waiting for a grant; empty.
    case claim = 17
    /// Bytes of the task's standard output.
    case stdout = 18
    /// Bytes of the task's standard error.
    case stderr = 19
    /// ``WireResult``: the last frame.
    case finished = 20
    /// Never started and gives the lease back: the reason in UTF-8. The last frame.
    case returned = 21
    /// Never started: the server took no more connections for now. The reason in UTF-8. The last frame.
    case turnedAway = 22

    /// The longest payload that is accepted, in bytes.
    public var payloadLimit: Int {
        switch self {
        case .job: 16 << 20
        case .grant, .stop, .claim: 0
        case .stage: 1
        case .stdout, .stderr: WorkerFrame.outputLimit
        case .finished: 256 << 10
        case .returned, .turnedAway: 4096
        }
    }
}

/// One frame of a worker's pipe.
public struct WorkerFrame: Equatable, Sendable {
    /// Bytes before the payload.
    public static let headerSize = 5
    /// The most output bytes in one frame: small enough that a control frame never waits long behind one.
    public static let outputLimit = 32 << 10

    /// What the payload is.
    public var kind: WorkerFrameKind
    /// At most `kind.payloadLimit` bytes.
    public var payload: [UInt8]

    /// Makes a frame; a payload above the kind's limit is the caller's mistake.
    public init(_ kind: WorkerFrameKind, _ payload: [UInt8] = []) {
        precondition(payload.count <= kind.payloadLimit, "a \(kind) frame of \(payload.count) bytes")
        self.kind = kind
        self.payload = payload
    }

    /// Appends the encoded frame to `bytes`.
    public func encode(into bytes: inout [UInt8]) {
        WorkerFrame.encodeHeader(kind, payloadCount: payload.count, into: &bytes)
        bytes.append(contentsOf: payload)
    }

    /// Appends only the header, for payloads that are appended piecewise.
    public static func encodeHeader(_ kind: WorkerFrameKind, payloadCount: Int, into bytes: inout [UInt8]) {
        let length = UInt32(payloadCount)
        bytes.append(kind.rawValue)
        bytes.append(UInt8(truncatingIfNeeded: length >> 24))
        bytes.append(UInt8(truncatingIfNeeded: length >> 16))
        bytes.append(UInt8(truncatingIfNeeded: length >> 8))
        bytes.append(UInt8(truncatingIfNeeded: length))
    }
}

/// What is wrong with the bytes of a worker's pipe.
public enum WorkerFrameError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kind byte is none of ``WorkerFrameKind``.
    case unknownKind(UInt8)
    /// The length is above the kind's limit.
    case tooLong(WorkerFrameKind, Int)

    /// One line for people.
    public var description: String {
        switch self {
        case .unknownKind(let kind): "a frame of unknown kind \(kind) on the worker's pipe"
        case .tooLong(let kind, let count): "a \(kind) frame of \(count) bytes, above \(kind.payloadLimit)"
        }
    }
}

/// Cuts a stream of bytes into frames. Holds at most one incomplete frame beyond what was appended last.
public struct WorkerFrameParser: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0

    /// An empty parser.
    public init() {}

    /// Bytes appended and not yet given out as frames.
    public var pendingCount: Int { buffer.count - start }

    /// Takes bytes as they were read.
    public mutating func append(_ bytes: some Collection<UInt8>) {
        if start > 0 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or nil when more bytes are needed.
    ///
    /// - Throws: ``WorkerFrameError``; the stream is unusable afterwards.
    public mutating func next() throws(WorkerFrameError) -> WorkerFrame? {
        guard pendingCount >= WorkerFrame.headerSize else { return nil }
        guard let kind = WorkerFrameKind(rawValue: buffer[start]) else {
            throw .unknownKind(buffer[start])
        }
        var length = 0
        for index in 1...4 {
            length = length << 8 | Int(buffer[start + index])
        }
        guard length <= kind.payloadLimit else { throw .tooLong(kind, length) }
        let end = start + WorkerFrame.headerSize + length
        guard buffer.count >= end else { return nil }
        let payload = Array(buffer[(start + WorkerFrame.headerSize)..<end])
        start = end
        return WorkerFrame(kind, payload)
    }
}
