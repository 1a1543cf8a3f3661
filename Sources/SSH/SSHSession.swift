import CLibSSH2
import Glibc

// One SSH connection over a socket that somebody else connected. Nothing here waits: each call does what is possible
// now and answers `.wouldBlock` otherwise; the caller polls `fd` for `pollEvents` and calls again. The transport in
// CLibSSH2 stands between libssh2 and the socket: libssh2 never sees the end of the stream, so that what was read
// before a connection broke can still be taken; `connectionLoss` tells it.
//
// The session owns the socket and libssh2's handle. Channels hold their session; `close()` may come before them, and
// then their calls throw `.badUse`.

/// An SSH session (LIBSSH2_SESSION) in non-blocking mode. Not thread-safe.
public final class SSHSession {
    /// The socket; closed with the session.
    public let fd: Int32
    var handle: OpaquePointer?
    let transport: UnsafeMutablePointer<coord_ssh2_transport>
    /// Local channel numbers count from 0 for each attempt to open one, as libssh2 gives them out.
    var channelsOpened: UInt32 = 0
    var isOpeningChannel = false
    private var preferences: [SSHAlgorithmKind: [String]] = [:]
    private var offer: SSHKeyExchangeOffer?

    /// Bytes that one call may read, so that a server that never stops cannot keep it from returning.
    static let turnBudget = 256 << 10

    /// Takes over a connected, non-blocking socket; it is closed also when this fails.
    ///
    /// - Throws: ``SSHError`` without memory.
    public init(adopting fd: Int32) throws(SSHError) {
        try SSHLibrary.start()
        guard let transport = coord_ssh2_transport_new(fd) else {
            Glibc.close(fd)
            throw SSHError(.outOfMemory, "starting a session", "no memory")
        }
        guard let handle = coord_ssh2_session_new(transport) else {
            coord_ssh2_transport_free(transport)
            Glibc.close(fd)
            throw SSHError(.outOfMemory, "starting a session", "no memory")
        }
        self.fd = fd
        self.transport = transport
        self.handle = handle
    }

    deinit {
        close()
        coord_ssh2_transport_free(transport)
    }

    /// Frees everything and closes the socket, without a word to the server and without waiting. Can be called twice.
    public func close() {
        guard let handle else { return }
        self.handle = nil
        transport.pointee.closing = true
        // With `closing` set nothing is sent or read, so this cannot answer EAGAIN.
        libssh2_session_free(handle)
        Glibc.close(fd)
    }

    /// Bytes that came so far. When this moved since a channel was read, read all channels again before polling: the
    /// bytes for one of them may have come while another was read, and wait in libssh2 and not in the socket.
    public var receivedByteCount: UInt64 { transport.pointee.received }

    /// What poll(2) should wait for; without `reading` only for room to send.
    public func pollEvents(reading: Bool = true) -> Int16 {
        (reading ? Int16(POLLIN) : 0) | (transport.pointee.pending_count > 0 ? Int16(POLLOUT) : 0)
    }

    /// Sends what is buffered, as far as the socket takes it.
    ///
    /// - Throws: ``SSHError`` when the connection is broken.
    public func flush() throws(SSHError) {
        guard handle != nil, coord_ssh2_transport_flush(transport) else {
            throw connectionLoss ?? SSHError(.badUse, "sending", "the session is closed")
        }
    }

    /// Whether something is still to be sent.
    public var hasUnsent: Bool { transport.pointee.pending_count > 0 }

    /// When the last byte came, in nanoseconds of CLOCK_BOOTTIME; 0 before the first.
    public var lastReceivedNanoseconds: UInt64 { transport.pointee.last_received }

    /// Why the connection is gone; nil while it stands. What was read before can still be taken from the channels.
    public var connectionLoss: SSHError? {
        if transport.pointee.disconnected {
            return SSHError(.connectionLost, "connection", "the server ended it: \(disconnectText)")
        }
        if transport.pointee.ended {
            let number = transport.pointee.receive_errno
            return SSHError(.connectionLost, "connection", number == 0 ? "closed by the server" : errorText(number))
        }
        if transport.pointee.send_errno != 0 {
            return SSHError(.connectionLost, "connection", errorText(transport.pointee.send_errno))
        }
        return nil
    }

    /// Whether the server itself ended the session, with a message (SSH_MSG_DISCONNECT).
    public var wasEndedByServer: Bool { transport.pointee.disconnected }

    /// Asks the server for a sign of life; the answer moves ``lastReceivedNanoseconds``.
    ///
    /// - Throws: ``SSHError`` when the connection is broken.
    public func sendKeepalive() throws(SSHError) {
        let handle = try open("sending a keepalive")
        _ = try check(Int(coord_ssh2_keepalive(handle)), "sending a keepalive")
    }

    /// Tells the server that this side goes, if that can be sent at once. Close the session afterwards.
    public func disconnect() {
        guard let handle, connectionLoss == nil else { return }
        libssh2_session_disconnect_ex(handle, SSH_DISCONNECT_BY_APPLICATION, "done", "")
        _ = coord_ssh2_transport_flush(transport)
    }

    // MARK: Algorithms

    /// What the linked libssh2 offers of one kind, in its order.
    ///
    /// - Throws: ``SSHError`` after close.
    public func supported(_ kind: SSHAlgorithmKind) throws(SSHError) -> [String] {
        let handle = try open("listing algorithms")
        var names: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        let count = libssh2_session_supported_algs(handle, kind.rawValue, &names)
        guard count > 0, let names else { return [] }
        defer { libssh2_free(handle, names) }
        return (0..<Int(count)).compactMap { index in names[index].map { String(cString: $0) } }
    }

    /// Offers only these algorithms, in this order; names that libssh2 does not have are left out. Before the
    /// handshake.
    ///
    /// - Throws: ``SSHError`` when libssh2 has none of them.
    public func prefer(_ kind: SSHAlgorithmKind, _ names: [String]) throws(SSHError) {
        let handle = try open("choosing algorithms")
        let operation = "choosing algorithms"
        _ = try check(Int(libssh2_session_method_pref(handle, kind.rawValue, names.joined(separator: ","))), operation)
        let supported = try supported(kind)
        preferences[kind] = names.filter(supported.contains)
    }

    /// What this side offers of one kind.
    func offered(_ kind: SSHAlgorithmKind) throws(SSHError) -> [String] {
        if let preferred = preferences[kind] { return preferred }
        return try supported(kind)
    }

    /// What the server offered; known after a handshake that failed for want of a common algorithm.
    public var serverOffer: SSHKeyExchangeOffer? { offer }

    // MARK: Handshake

    /// Exchanges banners and keys (libssh2_session_handshake). Check ``hostKey`` afterwards, before authenticating.
    ///
    /// - Throws: ``SSHError``: `.notSSH` with what the other end said, `.flood`, `.noCommonAlgorithm` with what each
    ///   side offers, `.connectionLost`, or libssh2's.
    public func handshake() throws(SSHError) -> SSHProgress<Void> {
        let handle = try open("handshake")
        let code = libssh2_session_handshake(handle, fd)
        if code == LIBSSH2_ERROR_NONE {
            transport.pointee.recording = false
            return .done(())
        }
        let clearText = clearText
        try checkBanner(clearText)
        if transport.pointee.over_budget {
            let limit = "64 KiB before its banner or 256 KiB in a handshake"
            throw SSHError(.flood, "handshake", "the server sent more than \(limit)\(quote(clearText))")
        }
        if let connectionLoss {
            throw SSHError(.connectionLost, "handshake", connectionLoss.message + quote(clearText))
        }
        if code == LIBSSH2_ERROR_EAGAIN { return .wouldBlock }
        if code == SSHErrorCode.noCommonAlgorithm.rawValue {
            offer = SSHKeyExchangeOffer(clearText: clearText[...])
            throw try SSHError(.noCommonAlgorithm, "handshake", explainNoCommonAlgorithm())
        }
        let failure = failure(Int(code), "handshake")
        throw SSHError(failure.code, failure.operation, failure.message + quote(clearText))
    }

    /// What the other end said in the place of a banner, for a message: "; it said “…”".
    public var heardBeforeBanner: String { quote(clearText) }

    /// The key that the server proved to hold; nil before the handshake is done.
    public var hostKey: SSHPublicKey? {
        guard let handle, !transport.pointee.recording else { return nil }
        var count = 0
        var type: Int32 = 0
        guard let bytes = libssh2_session_hostkey(handle, &count, &type) else { return nil }
        let blob = bytes.withMemoryRebound(to: UInt8.self, capacity: count) {
            Array(UnsafeBufferPointer(start: $0, count: count))
        }
        return SSHPublicKey(blob: blob)
    }

    /// The server's banner, escaped: "SSH-2.0-OpenSSH_9.2p1"; nil before it came.
    public var serverBanner: String? {
        guard let handle, let banner = libssh2_session_banner_get(handle) else { return nil }
        return SSHText.line(Array(String(cString: banner).utf8))
    }

    /// Whether the other end took no more connections for now: it closed this one before a word, or said that its
    /// `MaxStartups` (sshd_config(5)) were exceeded. Trying again later makes sense then.
    public var wasTurnedAway: Bool {
        let heard = clearText
        return connectionLoss != nil && (heard.isEmpty || heard.starts(with: Array("Exceeded MaxStartups".utf8)))
    }

    /// What came before the keys were exchanged, as far as it is kept.
    private var clearText: [UInt8] {
        Array(UnsafeBufferPointer(start: transport.pointee.record, count: transport.pointee.record_count))
    }

    private func checkBanner(_ clearText: [UInt8]) throws(SSHError) {
        let banner = SSHBanner(clearText[...])
        if let line = banner.line, !banner.isVersion2 {
            throw SSHError(.notSSH, "handshake", "the server speaks another version: “\(SSHText.line(line))”")
        }
        if banner.line == nil, clearText.starts(with: Array("HTTP/".utf8)) {
            throw SSHError(.notSSH, "handshake", "the other end is no SSH server\(quote(clearText))")
        }
    }

    /// What the other end said before a banner of SSH 2, for a message.
    private func quote(_ clearText: [UInt8]) -> String {
        guard SSHBanner(clearText[...]).line == nil else { return "" }
        let line = clearText.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        return line.isEmpty ? ", before any SSH banner" : "; it said “\(SSHText.line(line))”"
    }

    private func explainNoCommonAlgorithm() throws(SSHError) -> String {
        guard let offer else { return "no algorithm in common, and the server's offer could not be read" }
        let kinds: [(SSHAlgorithmKind, [String])] = [
            (.keyExchange, offer.keyExchanges), (.hostKey, offer.hostKeys),
            (.cipherToServer, offer.ciphersToServer), (.cipherToClient, offer.ciphersToClient),
            (.macToServer, offer.macsToServer), (.macToClient, offer.macsToClient),
        ]
        for (kind, theirs) in kinds {
            let ours = try offered(kind)
            if !ours.contains(where: theirs.contains) {
                let server = SSHText.line(Array(theirs.joined(separator: ",").utf8), limit: 400)
                let own = ours.joined(separator: ",")
                return "no algorithm in common: \(kind.name): server offers \(server); this side offers \(own)"
            }
        }
        return "no algorithm in common"
    }

    // MARK: Helpers of this module

    /// libssh2's handle, with a fresh reading budget for this call.
    func open(_ operation: String) throws(SSHError) -> OpaquePointer {
        guard let handle else { throw SSHError(.badUse, operation, "the session is closed") }
        transport.pointee.turn_budget = SSHSession.turnBudget
        return handle
    }

    /// A return code as a result: EAGAIN is one too, unless the connection is gone.
    func check(_ code: Int, _ operation: String) throws(SSHError) -> SSHProgress<Int> {
        if code >= 0 { return .done(code) }
        if code == Int(LIBSSH2_ERROR_EAGAIN), connectionLoss == nil { return .wouldBlock }
        throw failure(code, operation)
    }

    /// The error behind a return code.
    func failure(_ code: Int, _ operation: String) -> SSHError {
        if let connectionLoss { return SSHError(.connectionLost, operation, connectionLoss.message) }
        var text: UnsafeMutablePointer<CChar>?
        var count: Int32 = 0
        if let handle { libssh2_session_last_error(handle, &text, &count, 0) }
        let message = text.map { String(cString: $0) } ?? "error \(code)"
        return SSHError(SSHErrorCode(rawValue: Int32(code)), operation, message)
    }

    private var disconnectText: String {
        let count = transport.pointee.disconnect_count
        guard count > 0 else { return "reason \(transport.pointee.disconnect_reason)" }
        return withUnsafeBytes(of: transport.pointee.disconnect_text) { SSHText.line($0.prefix(count)) }
    }
}

/// A kind of algorithm that client and server agree on (LIBSSH2_METHOD_…).
public enum SSHAlgorithmKind: Int32, Sendable {
    /// How keys are exchanged.
    case keyExchange = 0
    /// How the server signs.
    case hostKey = 1
    /// How bytes to the server are encrypted.
    case cipherToServer = 2
    /// How bytes from the server are encrypted.
    case cipherToClient = 3
    /// How packets to the server are authenticated.
    case macToServer = 4
    /// How packets from the server are authenticated.
    case macToClient = 5

    var name: String {
        switch self {
        case .keyExchange: "key exchange"
        case .hostKey: "host key"
        case .cipherToServer: "cipher to the server"
        case .cipherToClient: "cipher from the server"
        case .macToServer: "MAC to the server"
        case .macToClient: "MAC from the server"
        }
    }
}

/// The C library's text for an errno.
func errorText(_ number: Int32) -> String {
    String(cString: strerror(number))
}
