// How a link loses nothing and repeats nothing. Each direction numbers its messages from 1; the receiver takes them in
// order and says, in every message of its own, how far it has come; the sender keeps what is not acknowledged. After a
// reconnect both sides say what they have (hello, hello_reply) and the rest is sent again. Pure values: no IO, no clock.

import DequeModule

/// The sending half of one direction of a link.
public struct LinkOutbox<Message: Sendable>: Sendable {
    private var kept: Deque<Message> = []
    private var firstNumber: UInt64 = 1
    private var unsentOffset = 0
    private var highestSent: UInt64 = 0

    /// An empty outbox; the first message gets number 1.
    public init() {}

    /// The highest number that was given out.
    public var lastSent: UInt64 { firstNumber + UInt64(unsentOffset) - 1 }
    /// Messages that the peer has not acknowledged.
    public var count: Int { kept.count }
    /// True when ``LinkLimit/unacknowledged`` messages are kept: the peer counts as gone.
    public var isFull: Bool { kept.count >= LinkLimit.unacknowledged }

    /// Whether something was not handed to the transport yet.
    public var hasUnsent: Bool { unsentOffset < kept.count }

    /// Queues a message behind the others.
    public mutating func append(_ message: Message) { kept.append(message) }

    /// The first message that was not handed to the transport yet, with its number.
    public var nextUnsent: (number: UInt64, message: Message)? {
        guard unsentOffset < kept.count else { return nil }
        return (firstNumber + UInt64(unsentOffset), kept[unsentOffset])
    }

    /// The transport took ``nextUnsent``.
    public mutating func markSent() {
        precondition(unsentOffset < kept.count, "nothing is unsent")
        unsentOffset += 1
        highestSent = max(highestSent, lastSent)
    }

    /// The peer has everything up to `number`. Numbers that were never sent are ignored: a hostile peer gains nothing.
    public mutating func acknowledge(upTo number: UInt64) {
        while firstNumber <= number, unsentOffset > 0, !kept.isEmpty {
            kept.removeFirst()
            firstNumber += 1
            unsentOffset -= 1
        }
    }

    /// After a reconnect: the peer has everything up to `number`; the rest is to be sent again.
    public mutating func rewind(peerHas number: UInt64) {
        unsentOffset = kept.count
        acknowledge(upTo: min(number, highestSent))
        unsentOffset = 0
    }

    /// For a new coordinator of the same run: what is kept is numbered anew from 1, and unsent.
    public mutating func renumber() {
        firstNumber = 1
        unsentOffset = 0
        highestSent = 0
    }
}

/// The receiving half of one direction of a link.
public struct LinkInbox: Sendable, Equatable {
    /// What to do with a message of some number.
    public enum Verdict: Sendable, Equatable {
        /// The next one: take it.
        case deliver
        /// Seen already: drop it.
        case duplicate
        /// One before it is missing: drop it, and ask for the rest by a new hello.
        case gap
    }

    /// The highest number received in order; 0 at first.
    public private(set) var received: UInt64 = 0

    /// Nothing received yet.
    public init() {}

    /// Judges a message and, when it is to be delivered, counts it.
    public mutating func accept(_ number: UInt64) -> Verdict {
        if number == received &+ 1 {
            received = number
            return .deliver
        }
        return number <= received ? .duplicate : .gap
    }
}

/// Notices by pings and pongs that messages were lost at the end of what was sent, where no later one shows a gap: when a
/// connection was cut and made again, ZeroMQ says nothing. A link keeps its order, so what was sent before a ping has
/// arrived before it, and what the peer sent before its pong has arrived here.
public struct LinkWatch: Sendable {
    private var token: UInt64 = 0
    private var sentBeforePing: UInt64 = 0

    /// No ping sent yet.
    public init() {}

    /// The token of the next ping; `sent` is the highest number given out so far.
    public mutating func nextPing(sent: UInt64) -> UInt64 {
        token += 1
        sentBeforePing = sent
        return token
    }

    /// Whether something is missing, so that a hello has to be said.
    ///
    /// - Parameters:
    ///   - token: the pong's.
    ///   - acknowledged: what the peer has received of ours.
    ///   - peerSent: what the peer had given out.
    ///   - received: what we have received of the peer's.
    public func isMissing(token: UInt64, acknowledged: UInt64, peerSent: UInt64, received: UInt64) -> Bool {
        received < peerSent || (token == self.token && acknowledged < sentBeforePing)
    }
}
