import Glibc

// The ssh-agent's protocol (draft-miller-ssh-agent), two requests of it: list the identities, and sign. libssh2 has a
// client too, but it waits for the agent without a deadline; an agent that asks its user must not hold a worker.
//
// One request is under way at a time. Each call answers `.wouldBlock` until its answer is there: poll `fd` for
// `pollEvents` and call again with the same arguments. While not connected `pollEvents` is 0, because an agent whose
// queue is full cannot be polled for: call again a little later.

/// A key that an ssh-agent holds.
public struct SSHAgentIdentity: Equatable, Sendable {
    /// Its public half.
    public let key: SSHPublicKey
    /// What the user called it, escaped.
    public let comment: String
}

/// A connection to an ssh-agent. Not thread-safe.
public final class SSHAgentClient {
    /// The socket, for poll(2).
    public private(set) var fd: Int32
    private let path: String
    private var isConnected = false
    private var outgoing: [UInt8] = []
    private var incoming: [UInt8] = []
    private var isWaiting = false
    /// Whether it still makes sense to ask: a refusal to sign leaves the connection as it was, other errors do not.
    public private(set) var isUsable = true
    /// Whether no answer is outstanding.
    public var isAnswering: Bool { !isWaiting }
    /// Why the last signature failed.
    var signatureError: SSHError?

    /// The longest answer that is taken, as OpenSSH's own limit.
    private static let answerLimit = 256 << 10
    private static let identitiesLimit: UInt32 = 2048

    private enum Message {
        static let failure: UInt8 = 5
        static let requestIdentities: UInt8 = 11
        static let identitiesAnswer: UInt8 = 12
        static let signRequest: UInt8 = 13
        static let signResponse: UInt8 = 14
    }

    /// Prepares a connection to the agent's socket.
    ///
    /// - Throws: ``SSHError`` when the path is too long or there is no socket to be had.
    public init(path: String) throws(SSHError) {
        guard path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
            throw SSHError(.agent, "reaching the ssh-agent", "the path \(path) is longer than 107 bytes")
        }
        self.path = path
        fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard fd >= 0 else { throw SSHError(.agent, "reaching the ssh-agent", errorText(errno)) }
    }

    deinit {
        close()
    }

    /// Closes the connection. Can be called twice.
    public func close() {
        if fd >= 0 { Glibc.close(fd) }
        fd = -1
    }

    /// What poll(2) should wait for; 0: nothing to poll for, call again a little later.
    public var pollEvents: Int16 {
        guard isConnected else { return 0 }
        return outgoing.isEmpty ? Int16(POLLIN) : Int16(POLLOUT)
    }

    /// The keys that the agent holds.
    ///
    /// - Throws: ``SSHError`` with `.agent`.
    public func identities() throws(SSHError) -> SSHProgress<[SSHAgentIdentity]> {
        guard case .done(let answer) = try exchange([Message.requestIdentities]) else { return .wouldBlock }
        var reader = SSHReader(answer)
        guard
            reader.byte() == Message.identitiesAnswer, let count = reader.uint32(),
            count <= SSHAgentClient.identitiesLimit
        else { throw nonsense() }
        var identities: [SSHAgentIdentity] = []
        for _ in 0..<count {
            guard let blob = reader.string(), let comment = reader.string() else { throw nonsense() }
            identities.append(
                SSHAgentIdentity(key: SSHPublicKey(blob: Array(blob)), comment: SSHText.line(comment, limit: 80))
            )
        }
        return .done(identities)
    }

    /// The signature of `data`, without the name of its algorithm in front.
    func sign(_ data: [UInt8], with key: SSHPublicKey, flags: UInt32) throws(SSHError) -> SSHProgress<[UInt8]> {
        var request = [Message.signRequest]
        request.appendString(key.blob)
        request.appendString(data)
        request.appendUInt32(flags)
        guard case .done(let answer) = try exchange(request) else { return .wouldBlock }
        var reader = SSHReader(answer)
        let kind = reader.byte()
        if kind == Message.failure {
            throw SSHError(.agent, "signing", "the ssh-agent refused to sign")
        }
        guard kind == Message.signResponse, let envelope = reader.string() else { throw nonsense() }
        var signature = SSHReader(envelope)
        guard signature.string() != nil, let bytes = signature.string() else { throw nonsense() }
        return .done(Array(bytes))
    }

    // MARK: The stream

    /// One request and its answer; a call while one is under way goes on with that one.
    private func exchange(_ request: [UInt8]) throws(SSHError) -> SSHProgress<ArraySlice<UInt8>> {
        if !isWaiting {
            isWaiting = true
            isUsable = false
            incoming.removeAll()
            outgoing.appendString(request)
        }
        guard try connect(), try send() else { return .wouldBlock }
        while true {
            if let answer = try takeAnswer() {
                isWaiting = false
                isUsable = true
                return .done(answer)
            }
            guard try receive() else { return .wouldBlock }
        }
    }

    private func connect() throws(SSHError) -> Bool {
        if isConnected { return true }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(fd, $0, size) }
        }
        if code != 0 {
            if errno == EAGAIN || errno == EINTR { return false }
            throw SSHError(.agent, "reaching the ssh-agent", "\(path): \(errorText(errno))")
        }
        isConnected = true
        return true
    }

    private func send() throws(SSHError) -> Bool {
        while !outgoing.isEmpty {
            let count = Glibc.send(fd, outgoing, outgoing.count, Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return false }
                throw SSHError(.agent, "asking the ssh-agent", errorText(errno))
            }
            outgoing.removeFirst(count)
        }
        return true
    }

    private func receive() throws(SSHError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(fd, &buffer, buffer.count, 0)
        if count < 0 {
            if errno == EINTR { return true }
            if errno == EAGAIN { return false }
            throw SSHError(.agent, "asking the ssh-agent", errorText(errno))
        }
        guard count > 0 else { throw SSHError(.agent, "asking the ssh-agent", "it closed the connection") }
        incoming.append(contentsOf: buffer[..<count])
        return true
    }

    private func takeAnswer() throws(SSHError) -> ArraySlice<UInt8>? {
        var reader = SSHReader(incoming[...])
        guard let length = reader.uint32() else { return nil }
        guard length <= SSHAgentClient.answerLimit else { throw nonsense() }
        return reader.take(Int(length))
    }

    private func nonsense() -> SSHError {
        SSHError(.agent, "asking the ssh-agent", "\(path) answered nonsense")
    }
}
