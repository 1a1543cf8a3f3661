import CLibSSH2
import Glibc

// A session channel: one command. libssh2's own exit status cannot be told from "never sent" (it is 0 in both cases),
// so `exitStatus` is read from the transport, which has seen the server's "exit-status" packet go by.
//
//     opened → exec → read and write → status or signal, end of file → closed by the server
//
// sshd sends the status before the end of file; other servers may turn them round.

/// A channel of type "session" (LIBSSH2_CHANNEL). Keeps its session alive. Not thread-safe.
public final class SSHChannel {
    /// Which of a command's two outputs.
    public enum Stream: Int32, Sendable, CaseIterable {
        /// Standard output.
        case standardOutput = 0
        /// Standard error (SSH_EXTENDED_DATA_STDERR).
        case standardError = 1
    }

    private let session: SSHSession
    private let handle: OpaquePointer
    private let number: UInt32

    /// Bytes that the server may send before they are read: a thousand workers hold one each.
    public static let windowSize: UInt32 = 256 << 10
    /// The longest packet that is asked for.
    static let packetSize: UInt32 = 32 << 10
    /// Above this many unsent bytes ``write(_:)`` waits.
    private static let unsentLimit = 64 << 10

    fileprivate init(session: SSHSession, handle: OpaquePointer, number: UInt32) {
        self.session = session
        self.handle = handle
        self.number = number
    }

    deinit {
        // May answer EAGAIN while the server has not agreed: then the session frees the channel at its end.
        guard session.handle != nil else { return }
        session.transport.pointee.turn_budget = SSHSession.turnBudget
        libssh2_channel_free(handle)
    }

    /// Starts a command by the user's login shell (RFC 4254, section 6.5).
    ///
    /// - Throws: ``SSHError``: `.requestDenied` when the server will not.
    public func exec(_ command: [UInt8]) throws(SSHError) -> SSHProgress<Void> {
        _ = try session.open("starting the command")
        let code = command.withUnsafeBytes { bytes in
            libssh2_channel_process_startup(
                handle,
                "exec",
                4,
                bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                UInt32(bytes.count)
            )
        }
        switch try session.check(Int(code), "starting the command") {
        case .done: return .done(())
        case .wouldBlock: return .wouldBlock
        }
    }

    /// Reads what came of one stream: at least one byte, or `.wouldBlock`. At the end of the streams it is
    /// `.wouldBlock` too: see ``isAtEnd``. What came before a connection broke is still given out.
    ///
    /// - Throws: ``SSHError`` when libssh2 gives up the session.
    public func read(_ stream: Stream, into buffer: UnsafeMutableRawBufferPointer) throws(SSHError) -> SSHProgress<Int>
    {
        _ = try session.open("reading output")
        let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
        let count = libssh2_channel_read_ex(handle, stream.rawValue, start, buffer.count)
        if count > 0 { return .done(count) }
        if count == 0 || count == Int(LIBSSH2_ERROR_EAGAIN) { return .wouldBlock }
        throw session.failure(count, "reading output")
    }

    /// Takes what the server sent into libssh2's queues without giving any of it out: shows whether the connection
    /// stands.
    ///
    /// - Throws: ``SSHError`` when libssh2 gives up the session.
    public func receive() throws(SSHError) {
        _ = try session.open("listening")
        var nothing: CChar = 0
        let count = libssh2_channel_read_ex(handle, 0, &nothing, 0)
        if count < 0, count != Int(LIBSSH2_ERROR_EAGAIN) { throw session.failure(count, "listening") }
    }

    /// Writes to the command's standard input: how many bytes were taken, at least one, or `.wouldBlock`.
    ///
    /// - Throws: ``SSHError`` when the channel or the connection is closed.
    public func write(_ bytes: ArraySlice<UInt8>) throws(SSHError) -> SSHProgress<Int> {
        _ = try session.open("writing to standard input")
        if session.transport.pointee.pending_count > SSHChannel.unsentLimit {
            try session.flush()
            if session.transport.pointee.pending_count > SSHChannel.unsentLimit { return .wouldBlock }
        }
        let count = bytes.withUnsafeBytes { buffer in
            libssh2_channel_write_ex(
                handle,
                0,
                buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
                buffer.count
            )
        }
        return count == 0 ? .wouldBlock : try session.check(count, "writing to standard input")
    }

    /// Ends the command's standard input.
    ///
    /// - Throws: ``SSHError`` when the connection is broken.
    public func sendEndOfFile() throws(SSHError) -> SSHProgress<Void> {
        _ = try session.open("ending standard input")
        switch try session.check(Int(libssh2_channel_send_eof(handle)), "ending standard input") {
        case .done: return .done(())
        case .wouldBlock: return .wouldBlock
        }
    }

    /// Whether the server ended both streams, and all of them was read.
    public var isAtEnd: Bool {
        session.handle != nil && libssh2_channel_eof(handle) == 1
    }

    /// Whether the server closed the channel: nothing more can come, a status neither. Reads what is there.
    public var isClosedByServer: Bool {
        guard isAtEnd else { return false }
        session.transport.pointee.turn_budget = SSHSession.turnBudget
        return libssh2_channel_wait_closed(handle) == 0
    }

    /// The status that the server sent; nil when it never sent one.
    public var exitStatus: Int32? {
        var status: UInt32 = 0
        guard coord_ssh2_exit_status(session.transport, number, &status) else { return nil }
        return Int32(truncatingIfNeeded: status)
    }

    /// The signal that the command died by, as "KILL", escaped; nil when the server named none.
    public var exitSignal: String? {
        guard let sessionHandle = session.handle else { return nil }
        var name: UnsafeMutablePointer<CChar>?
        var count = 0
        guard libssh2_channel_get_exit_signal(handle, &name, &count, nil, nil, nil, nil) == 0, let name else {
            return nil
        }
        defer { libssh2_free(sessionHandle, name) }
        return SSHText.line(Array(String(cString: name).utf8), limit: 32)
    }

    /// Closes the channel, and waits for the server's close.
    ///
    /// - Throws: ``SSHError`` when the connection is broken.
    public func close() throws(SSHError) -> SSHProgress<Void> {
        _ = try session.open("closing the channel")
        switch try session.check(Int(libssh2_channel_close(handle)), "closing the channel") {
        case .done: return .done(())
        case .wouldBlock: return .wouldBlock
        }
    }
}

extension SSHSession {
    /// Opens a channel for one command (libssh2_channel_open_ex).
    ///
    /// - Throws: ``SSHError``: `.channelRefused` when the server will not.
    public func openChannel() throws(SSHError) -> SSHProgress<SSHChannel> {
        let operation = "opening a channel"
        let handle = try open(operation)
        if !isOpeningChannel {
            isOpeningChannel = true
            channelsOpened += 1
        }
        let channel = libssh2_channel_open_ex(
            handle,
            "session",
            7,
            SSHChannel.windowSize,
            SSHChannel.packetSize,
            nil,
            0
        )
        if let channel {
            isOpeningChannel = false
            return .done(SSHChannel(session: self, handle: channel, number: channelsOpened - 1))
        }
        let code = libssh2_session_last_errno(handle)
        if code == LIBSSH2_ERROR_EAGAIN, connectionLoss == nil { return .wouldBlock }
        isOpeningChannel = false
        throw failure(Int(code), operation)
    }
}
