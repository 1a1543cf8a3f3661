// The agent's side of the link to a coordinator: one ROUTER socket, one run, numbered messages both ways.
// Bytes that make no sense, another version, an older epoch, another incarnation, or another peer are refused, and the
// loop goes on; what the coordinator has not acknowledged is kept, and sent again after its next hello.

import Glibc
import SwiftProtobuf
import WireProtocol
import ZeroMQ

/// The numbered link of one run.
final class AgentLink {
    /// A message for the coordinator, before it has a number.
    struct Outgoing: Sendable {
        var body: WireFromAgent.OneOf_Body
        /// The bytes that follow an `output`.
        var payload: [UInt8]?
    }

    /// What the loop has to act on.
    enum Incoming {
        case message(WireToAgent.OneOf_Body)
        /// A coordinator with a higher epoch has taken the run up, or ours has let go of this agent and calls it anew.
        case coordinatorReplaced
    }

    let socket: ZeroMQSocket
    let incarnation: UInt64
    private let poolLimit: PoolLimit
    private var peer: [UInt8]?
    private(set) var runID = ""
    private(set) var epoch: UInt64 = 0
    private var callNumber: UInt64 = 0
    private var outbox = LinkOutbox<Outgoing>()
    private var inbox = LinkInbox()
    /// When the coordinator was last heard.
    private(set) var lastHeard: Duration

    init(socket: ZeroMQSocket, poolLimit: PoolLimit, now: Duration) {
        self.socket = socket
        self.poolLimit = poolLimit
        incarnation = UInt64.random(in: 1...UInt64.max)
        lastHeard = now
    }

    /// So much waits for the coordinator's acknowledgement that it counts as gone.
    var isFull: Bool { outbox.isFull }

    /// The next thing of the coordinator's that is to be acted on, or nil when nothing waits.
    func receive(at now: Duration) -> Incoming? {
        while true {
            let frames: [[UInt8]]?
            do {
                frames = try socket.receive()
            } catch {
                AgentLog.write("\(error)")
                return nil
            }
            guard let frames else { return nil }
            if let incoming = accept(frames, at: now) { return incoming }
        }
    }

    private func accept(_ frames: [[UInt8]], at now: Duration) -> Incoming? {
        guard frames.count == 2 else {
            AgentLog.write("refused a message of \(frames.count) frames")
            return nil
        }
        let message: WireToAgent
        do {
            message = try WireToAgent(serializedBytes: frames[1])
        } catch {
            AgentLog.write("refused a message of \(frames[1].count) bytes that is no coordinator's: \(error)")
            return nil
        }
        guard let body = message.body else { return nil }
        if case .hello(let hello) = body {
            return greet(hello, message, from: frames[0], at: now) ? .coordinatorReplaced : nil
        }
        guard frames[0] == peer, message.runID == runID, message.epoch == epoch, message.incarnation == incarnation
        else {
            AgentLog.write("refused a message of run '\(message.runID)' epoch \(message.epoch): not the one at work")
            return nil
        }
        lastHeard = now
        outbox.acknowledge(upTo: message.acknowledged)
        if case .ping(let ping) = body {
            let pong = WirePong.with {
                $0.token = ping.token
                $0.sent = outbox.lastSent
            }
            transmit(.pong(pong), number: 0, payload: nil)
            return nil
        }
        return inbox.accept(message.sequence) == .deliver ? .message(body) : nil
    }

    /// - Returns: whether this is another coordinator than before.
    private func greet(
        _ hello: WireHello,
        _ message: WireToAgent,
        from sender: [UInt8],
        at now: Duration
    ) -> Bool {
        var isReplaced = false
        let isOurVersion = hello.protocolVersion == ProtocolVersion.current
        let isNewRun = runID.isEmpty
        let isOlder = message.epoch < epoch || (message.epoch == epoch && hello.link < callNumber)
        let isKnown = isNewRun || (message.runID == runID && !isOlder)
        if isOurVersion, isKnown, !message.runID.isEmpty {
            if !isNewRun, message.epoch > epoch || hello.link > callNumber {
                outbox.renumber()
                inbox = LinkInbox()
                isReplaced = true
            } else {
                outbox.rewind(peerHas: hello.received)
            }
            runID = message.runID
            epoch = message.epoch
            callNumber = hello.link
            peer = sender
            lastHeard = now
        } else {
            AgentLog.write(
                "refused a hello of run '\(message.runID)', protocol version \(hello.protocolVersion), "
                    + "epoch \(message.epoch); this is version \(ProtocolVersion.current), run '\(runID)', epoch \(epoch)"
            )
        }
        let reply = WireHelloReply.with {
            $0.protocolVersion = ProtocolVersion.current
            $0.softwareVersion = ProtocolVersion.software
            $0.received = inbox.received
            $0.poolLimit = UInt32(clamping: poolLimit.count)
            $0.poolLimitReason = poolLimit.reason
        }
        // A refused caller is answered too, so that it can name both versions.
        transmit(.helloReply(reply), number: 0, payload: nil, to: sender)
        flush()
        return isReplaced
    }

    /// Queues a message; ``flush()`` sends it.
    func send(_ body: WireFromAgent.OneOf_Body, payload: [UInt8]? = nil) {
        outbox.append(Outgoing(body: body, payload: payload))
    }

    /// Hands to ZeroMQ what it takes; the rest goes with a later call.
    func flush() {
        while let (number, message) = outbox.nextUnsent {
            guard transmit(message.body, number: number, payload: message.payload) else { return }
            outbox.markSent()
        }
    }

    @discardableResult
    private func transmit(
        _ body: WireFromAgent.OneOf_Body,
        number: UInt64,
        payload: [UInt8]?,
        to receiver: [UInt8]? = nil
    ) -> Bool {
        guard let receiver = receiver ?? peer else { return false }
        let message = WireFromAgent.with {
            $0.runID = runID
            $0.epoch = epoch
            $0.incarnation = incarnation
            $0.sequence = number
            $0.acknowledged = inbox.received
            $0.body = body
        }
        do {
            let envelope: [UInt8] = try message.serializedBytes()
            return try socket.send([receiver, envelope] + (payload.map { [$0] } ?? []))
        } catch let error as ZeroMQError where error.code == ZeroMQError.hostUnreachable {
            // The connection is down: everything is sent again after the next hello.
            return false
        } catch {
            AgentLog.write("could not send: \(error)")
            return false
        }
    }
}
