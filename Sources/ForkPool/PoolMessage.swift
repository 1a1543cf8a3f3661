// What an agent and its pool process say to each other over one SOCK_SEQPACKET pair: one message a packet.
//
//     byte 0      kind
//     bytes 1-8   worker, little end
//     rest        spawn: the title's words, NUL between them · started: pid (4) · ended: wait status (4) · failed: errno (4)
//
// A spawn carries the worker's end of its socket pair as SCM_RIGHTS.

/// One message between an agent and its pool process.
enum PoolMessage: Equatable {
    case spawn(WorkerID, title: [String])
    case kill(WorkerID)
    case started(WorkerID, pid: Int32)
    case ended(WorkerID, waitStatus: Int32)
    case failed(WorkerID, errno: Int32)

    /// The longest message in bytes; titles are cut to fit.
    static let limit = 1024

    private enum Kind: UInt8 {
        case spawn = 1
        case kill = 2
        case started = 3
        case ended = 4
        case failed = 5
    }

    /// The bytes of the packet.
    var encoded: [UInt8] {
        switch self {
        case .spawn(let worker, let title):
            let words = title.map { Array($0.utf8).filter { $0 != 0 } }.joined(separator: [0])
            return Self.header(.spawn, worker) + words.prefix(Self.limit - 9)
        case .kill(let worker): return Self.header(.kill, worker)
        case .started(let worker, let pid): return Self.header(.started, worker) + Self.bytes(of: pid)
        case .ended(let worker, let status): return Self.header(.ended, worker) + Self.bytes(of: status)
        case .failed(let worker, let errno): return Self.header(.failed, worker) + Self.bytes(of: errno)
        }
    }

    /// Reads a packet; nil when it is none of ours.
    init?(decoding packet: ArraySlice<UInt8>) {
        guard packet.count >= 9, let first = packet.first, let kind = Kind(rawValue: first) else { return nil }
        var number: UInt64 = 0
        for byte in packet.dropFirst().prefix(8).reversed() { number = number << 8 | UInt64(byte) }
        let worker = WorkerID(rawValue: number)
        let rest = packet.dropFirst(9)
        switch kind {
        case .spawn:
            let words = rest.split(separator: 0, omittingEmptySubsequences: false)
            self = .spawn(worker, title: words.map { String(decoding: $0, as: UTF8.self) })
        case .kill: self = .kill(worker)
        case .started, .ended, .failed:
            guard rest.count == 4 else { return nil }
            var word: UInt32 = 0
            for byte in rest.reversed() { word = word << 8 | UInt32(byte) }
            let value = Int32(bitPattern: word)
            self =
                kind == .started
                ? .started(worker, pid: value)
                : kind == .ended ? .ended(worker, waitStatus: value) : .failed(worker, errno: value)
        }
    }

    private static func header(_ kind: Kind, _ worker: WorkerID) -> [UInt8] {
        [kind.rawValue] + (0..<8).map { UInt8(truncatingIfNeeded: worker.rawValue >> (8 * UInt64($0))) }
    }

    private static func bytes(of value: Int32) -> [UInt8] {
        let word = UInt32(bitPattern: value)
        return (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) }
    }
}
