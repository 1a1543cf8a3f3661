// The coordinator's side of the link to one incarnation of one agent: one DEALER socket, numbered messages both ways.
// What the agent says is checked before it is believed: run, epoch, incarnation, number. A message that makes no sense
// is noted and dropped; a missing number asks for the rest by a new hello.

import Scheduling
import SwiftProtobuf
import WireProtocol
import ZeroMQ

/// The numbered link to one process of an agent.
final class AgentConnection {
    /// What the agent said, in order.
    enum Incoming {
        /// The answer to the first hello.
        case greeted(WireHelloReply)
        /// Another protocol version: named, so that a person can act on it.
        case versionMismatch(WireHelloReply)
        /// A word without content.
        case heard
        /// A numbered message, with the bytes that follow an `output`.
        case message(WireFromAgent.OneOf_Body, payload: [UInt8])
    }

    let socket: ZeroMQSocket
    private let runID: String
    private let epoch: UInt64
    private(set) var incarnation: UInt64 = 0
    private var outbox = LinkOutbox<WireToAgent.OneOf_Body>()
    private var inbox = LinkInbox()
    private var watch = LinkWatch()
    private let callNumber: UInt64
    /// Messages that made no sense; for the log.
    private(set) var refusedCount = 0

    /// - Parameter callNumber: higher for each link that is made to the same agent.
    init(socket: ZeroMQSocket, runID: String, epoch: UInt64, callNumber: UInt64) {
        self.socket = socket
        self.callNumber = callNumber
        self.runID = runID
        self.epoch = epoch
    }

    /// So much waits for the agent's acknowledgement that it counts as gone.
    var isFull: Bool { outbox.isFull }

    /// Says hello: the first word, and again whenever something is missing.
    func sendHello() throws(ZeroMQError) {
        let hello = WireHello.with {
            $0.protocolVersion = ProtocolVersion.current
            $0.softwareVersion = ProtocolVersion.software
            $0.received = inbox.received
            $0.link = callNumber
        }
        _ = try transmit(.hello(hello), number: 0)
    }

    /// Asks for a sign of life, and acknowledges what came.
    func ping() throws(ZeroMQError) {
        let token = watch.nextPing(sent: outbox.lastSent)
        _ = try transmit(.ping(.with { $0.token = token }), number: 0)
    }

    /// Queues a message; ``flush()`` sends it.
    func send(_ body: WireToAgent.OneOf_Body) { outbox.append(body) }

    /// Hands to ZeroMQ what it takes.
    func flush() throws(ZeroMQError) {
        while incarnation != 0, let (number, body) = outbox.nextUnsent {
            guard try transmit(body, number: number) else { return }
            outbox.markSent()
        }
    }

    /// The next thing that the agent said, or nil when nothing waits.
    func receive() throws(ZeroMQError) -> Incoming? {
        while let frames = try socket.receive() {
            guard let first = frames.first, frames.count <= 2, let message = Self.decode(first) else {
                refusedCount += 1
                continue
            }
            if let incoming = try accept(message, payload: frames.count == 2 ? frames[1] : []) { return incoming }
        }
        return nil
    }

    private func accept(_ message: WireFromAgent, payload: [UInt8]) throws(ZeroMQError) -> Incoming? {
        guard let body = message.body else {
            refusedCount += 1
            return nil
        }
        if case .helloReply(let reply) = body { return try greet(reply, message) }
        guard message.runID == runID, message.epoch == epoch, message.incarnation == incarnation else {
            refusedCount += 1
            return nil
        }
        outbox.acknowledge(upTo: message.acknowledged)
        if case .pong(let pong) = body {
            let isMissing = watch.isMissing(
                token: pong.token,
                acknowledged: message.acknowledged,
                peerSent: pong.sent,
                received: inbox.received
            )
            if isMissing { try sendHello() }
            return .heard
        }
        switch inbox.accept(message.sequence) {
        case .deliver: return .message(body, payload: payload)
        case .duplicate: return .heard
        case .gap:
            try sendHello()
            return .heard
        }
    }

    private func greet(_ reply: WireHelloReply, _ message: WireFromAgent) throws(ZeroMQError) -> Incoming? {
        guard reply.protocolVersion == ProtocolVersion.current else { return .versionMismatch(reply) }
        guard message.incarnation != 0, message.runID == runID, message.epoch == epoch else {
            refusedCount += 1
            return nil
        }
        let isFirst = incarnation == 0
        guard isFirst || incarnation == message.incarnation else {
            refusedCount += 1
            return nil
        }
        incarnation = message.incarnation
        outbox.rewind(peerHas: reply.received)
        try flush()
        return isFirst ? .greeted(reply) : .heard
    }

    private static func decode(_ frame: [UInt8]) -> WireFromAgent? {
        do {
            return try WireFromAgent(serializedBytes: frame)
        } catch {
            return nil
        }
    }

    private func transmit(_ body: WireToAgent.OneOf_Body, number: UInt64) throws(ZeroMQError) -> Bool {
        let message = WireToAgent.with {
            $0.runID = runID
            $0.epoch = epoch
            $0.incarnation = incarnation
            $0.sequence = number
            $0.acknowledged = inbox.received
            $0.body = body
        }
        let bytes: [UInt8]
        do {
            bytes = try message.serializedBytes()
        } catch {
            preconditionFailure("a message of our own can't be encoded: \(error)")
        }
        return try socket.send([bytes])
    }
}
