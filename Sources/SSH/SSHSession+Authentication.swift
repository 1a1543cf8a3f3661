import CLibSSH2

/// What the server said to one try to log in.
public enum SSHAuthenticationAnswer: Equatable, Sendable {
    /// Logged in.
    case accepted
    /// Not with this key.
    case refused
}

extension SSHSession {
    /// Whether the user is logged in.
    public var isAuthenticated: Bool {
        handle.map { libssh2_userauth_authenticated($0) == 1 } ?? false
    }

    /// The ways to log in that the server takes, as "publickey", escaped; empty when it let the user in without any
    /// (libssh2_userauth_list, which asks with the method "none").
    ///
    /// - Throws: ``SSHError``.
    public func authenticationMethods(user: String) throws(SSHError) -> SSHProgress<[String]> {
        let operation = "asking for ways to log in"
        let handle = try open(operation)
        if let list = libssh2_userauth_list(handle, user, UInt32(user.utf8.count)) {
            let names = String(cString: list).split(separator: ",").prefix(16)
            return .done(names.map { SSHText.line(Array($0.utf8), limit: 64) })
        }
        if isAuthenticated { return .done([]) }
        let code = Int(libssh2_session_last_errno(handle))
        // A connection that broke leaves no error code behind.
        _ = try check(code == 0 ? Int(SSHErrorCode.disconnected.rawValue) : code, operation)
        return .wouldBlock
    }

    /// Tries a private key from a file that is not encrypted (libssh2_userauth_publickey_fromfile_ex).
    ///
    /// - Throws: ``SSHError``: `.encryptedKey`; `.connectionLost` when the server went away.
    public func authenticate(
        user: String,
        keyFile: SSHPrivateKeyFile
    ) throws(SSHError) -> SSHProgress<SSHAuthenticationAnswer> {
        let operation = "logging in with \(keyFile.path)"
        guard !keyFile.isEncrypted else {
            throw SSHError(.encryptedKey, operation, "the key is encrypted: add it to the ssh-agent")
        }
        let handle = try open(operation)
        // An empty passphrase, not none: libssh2 takes the length of what it is given.
        let code = libssh2_userauth_publickey_fromfile_ex(
            handle,
            user,
            UInt32(user.utf8.count),
            nil,
            keyFile.path,
            ""
        )
        return try answer(code, operation)
    }

    /// Tries a key that an ssh-agent holds (libssh2_userauth_publickey). On `.wouldBlock` poll the agent's socket too.
    ///
    /// - Throws: ``SSHError``: `.agent` when the agent does not sign; `.connectionLost` when the server went away.
    public func authenticate(
        user: String,
        identity: SSHAgentIdentity,
        agent: SSHAgentClient
    ) throws(SSHError) -> SSHProgress<SSHAuthenticationAnswer> {
        let operation = "logging in with the ssh-agent's key \(identity.comment)"
        let handle = try open(operation)
        agent.signatureError = nil
        let request = SignatureRequest(agent: agent, key: identity.key)
        let code = withExtendedLifetime(request) {
            var context: UnsafeMutableRawPointer? = Unmanaged.passUnretained(request).toOpaque()
            return withUnsafeMutablePointer(to: &context) { pointer in
                libssh2_userauth_publickey(
                    handle,
                    user,
                    identity.key.blob,
                    identity.key.blob.count,
                    signWithAgent,
                    pointer
                )
            }
        }
        if let error = agent.signatureError { throw error }
        return try answer(code, operation)
    }

    private func answer(_ code: Int32, _ operation: String) throws(SSHError) -> SSHProgress<SSHAuthenticationAnswer> {
        switch SSHErrorCode(rawValue: code) {
        case SSHErrorCode(rawValue: 0): return .done(.accepted)
        case .authenticationFailed, .keyRefused:
            // libssh2 says the same when the connection broke while it waited for the answer.
            if let connectionLoss { throw connectionLoss }
            return .done(.refused)
        default:
            _ = try check(Int(code), operation)
            return .wouldBlock
        }
    }
}

/// What the signing callback needs.
private final class SignatureRequest {
    let agent: SSHAgentClient
    let key: SSHPublicKey

    init(agent: SSHAgentClient, key: SSHPublicKey) {
        self.agent = agent
        self.key = key
    }
}

/// LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC: asks the ssh-agent, and is called again after EAGAIN.
private func signWithAgent(
    session: OpaquePointer?,
    signature: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?,
    signatureCount: UnsafeMutablePointer<Int>?,
    data: UnsafePointer<UInt8>?,
    dataCount: Int,
    context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int32 {
    guard let session, let signature, let signatureCount, let opaque = context?.pointee else { return -1 }
    let request = Unmanaged<SignatureRequest>.fromOpaque(opaque).takeUnretainedValue()
    let bytes = Array(UnsafeBufferPointer(start: data, count: dataCount))
    do throws(SSHError) {
        let flags = signatureFlags(forSigning: bytes)
        switch try request.agent.sign(bytes, with: request.key, flags: flags) {
        case .wouldBlock: return LIBSSH2_ERROR_EAGAIN
        case .done(let signed):
            guard let copy = coord_ssh2_alloc(session, signed.count) else { return LIBSSH2_ERROR_ALLOC }
            copy.copyMemory(from: signed, byteCount: signed.count)
            signature.pointee = copy.assumingMemoryBound(to: UInt8.self)
            signatureCount.pointee = signed.count
            return 0
        }
    } catch {
        request.agent.signatureError = error
        return -1
    }
}

/// The agent's flags for the algorithm named in the data to sign (RFC 4252, section 7): RSA with SHA-2 where the
/// linked libssh2 asks for it.
private func signatureFlags(forSigning data: [UInt8]) -> UInt32 {
    var reader = SSHReader(data[...])
    guard
        reader.string() != nil, reader.byte() != nil, reader.string() != nil, reader.string() != nil,
        reader.string() != nil, reader.byte() != nil, let algorithm = reader.string()
    else { return 0 }
    if algorithm.elementsEqual("rsa-sha2-256".utf8) { return 2 }
    if algorithm.elementsEqual("rsa-sha2-512".utf8) { return 4 }
    return 0
}
