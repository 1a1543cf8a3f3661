// One ZeroMQ socket, never blocking: send and receive answer at once, and a Poller tells when to try again.
// What ZeroMQ leaves open by default is closed here: LINGER is bounded, a message has a size limit, a ROUTER says when a
// peer is missing or full (ZMQ_ROUTER_MANDATORY) and drops nothing in silence.

import CZeroMQ
import Glibc

/// An owned ZeroMQ socket.
public final class ZeroMQSocket {
    /// The two patterns that coordinator and agents use.
    public enum Kind: Sendable {
        /// An agent's side: many peers, each message begins with the peer's routing id.
        case router
        /// The coordinator's side: one agent.
        case dealer
    }

    /// The most frames in one message: routing id, envelope, payload.
    public static let frameLimit = 3

    private let context: ZeroMQContext
    private(set) var handle: UnsafeMutableRawPointer?
    /// What stands in errors, for example `ipc:///run/…`.
    public private(set) var endpoint = ""

    /// Makes a socket.
    ///
    /// - Parameters:
    ///   - messageLimit: bytes in one frame; a peer that sends more is cut off (ZMQ_MAXMSGSIZE).
    ///   - queueLimit: messages that ZeroMQ may hold in each direction (ZMQ_SNDHWM, ZMQ_RCVHWM).
    /// - Throws: ``ZeroMQError``.
    public init(_ kind: Kind, context: ZeroMQContext, messageLimit: Int, queueLimit: Int) throws(ZeroMQError) {
        self.context = context
        guard let handle = zmq_socket(context.handle, kind == .router ? ZMQ_ROUTER : ZMQ_DEALER) else {
            throw .last("zmq_socket")
        }
        self.handle = handle
        try set(ZMQ_LINGER, 1000, "ZMQ_LINGER")
        try set(ZMQ_SNDHWM, Int32(queueLimit), "ZMQ_SNDHWM")
        try set(ZMQ_RCVHWM, Int32(queueLimit), "ZMQ_RCVHWM")
        try set(ZMQ_HANDSHAKE_IVL, 5000, "ZMQ_HANDSHAKE_IVL")
        try set(ZMQ_RECONNECT_IVL, 10, "ZMQ_RECONNECT_IVL")
        try set(ZMQ_RECONNECT_IVL_MAX, 1000, "ZMQ_RECONNECT_IVL_MAX")
        var limit = Int64(messageLimit)
        try check(
            zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &limit, MemoryLayout<Int64>.size),
            "zmq_setsockopt ZMQ_MAXMSGSIZE"
        )
        if kind == .router { try set(ZMQ_ROUTER_MANDATORY, 1, "ZMQ_ROUTER_MANDATORY") }
        if kind == .router { try set(ZMQ_ROUTER_HANDOVER, 1, "ZMQ_ROUTER_HANDOVER") }
    }

    deinit { close() }

    /// Listens on `endpoint`; an ipc path is at most 107 bytes, and ZeroMQ takes over an existing one in silence.
    ///
    /// - Throws: ``ZeroMQError``.
    public func bind(_ endpoint: String) throws(ZeroMQError) {
        try check(zmq_bind(handle, endpoint), "zmq_bind \(endpoint)")
        self.endpoint = endpoint
    }

    /// Calls `endpoint`; the connection is made, and made again, in the background.
    ///
    /// - Throws: ``ZeroMQError`` for an endpoint that makes no sense.
    public func connect(_ endpoint: String) throws(ZeroMQError) {
        try check(zmq_connect(handle, endpoint), "zmq_connect \(endpoint)")
        self.endpoint = endpoint
    }

    /// Gives a message to ZeroMQ, whole or not at all.
    ///
    /// - Returns: false when the queue is full for now.
    /// - Throws: ``ZeroMQError``; ``ZeroMQError/hostUnreachable`` when a ROUTER has no such peer.
    public func send(_ frames: [[UInt8]]) throws(ZeroMQError) -> Bool {
        for (index, frame) in frames.enumerated() {
            let more = index + 1 < frames.count ? ZMQ_SNDMORE : 0
            var result: Int32
            repeat {
                result = frame.withUnsafeBytes { zmq_send(handle, $0.baseAddress, $0.count, ZMQ_DONTWAIT | more) }
            } while result < 0 && zmq_errno() == EINTR
            if result < 0 {
                // ZeroMQ accepts or refuses a message at its first frame.
                if zmq_errno() == EAGAIN { return false }
                throw .last("zmq_send to \(endpoint)")
            }
        }
        return true
    }

    /// The next message, or nil when none waits. A message of more than ``frameLimit`` frames comes as an empty one.
    ///
    /// - Throws: ``ZeroMQError``.
    public func receive() throws(ZeroMQError) -> [[UInt8]]? {
        var frames: [[UInt8]] = []
        var overlong = false
        var message = zmq_msg_t()
        while true {
            zmq_msg_init(&message)
            defer { zmq_msg_close(&message) }
            let result = zmq_msg_recv(&message, handle, ZMQ_DONTWAIT)
            if result < 0 {
                let code = zmq_errno()
                if code == EINTR { continue }
                if code == EAGAIN { return nil }
                throw .last("zmq_msg_recv from \(endpoint)")
            }
            if frames.count < Self.frameLimit {
                frames.append(
                    Array(UnsafeRawBufferPointer(start: zmq_msg_data(&message), count: zmq_msg_size(&message)))
                )
            } else {
                overlong = true
            }
            if zmq_msg_more(&message) == 0 { return overlong ? [] : frames }
        }
    }

    /// Closes the socket; what is queued is sent within a second or dropped. Can be called twice.
    public func close() {
        guard let handle else { return }
        zmq_close(handle)
        self.handle = nil
    }

    private func set(_ option: Int32, _ value: Int32, _ name: String) throws(ZeroMQError) {
        var value = value
        try check(zmq_setsockopt(handle, option, &value, MemoryLayout<Int32>.size), "zmq_setsockopt \(name)")
    }
}
