/// The number of an error: libssh2's own are negative and kept as they are, also those that this code does not know;
/// this module's are positive.
public struct SSHErrorCode: RawRepresentable, Hashable, Sendable {
    /// The number, as in `libssh2.h` when negative.
    public let rawValue: Int32

    /// Takes any number.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// LIBSSH2_ERROR_KEX_FAILURE: no algorithm in common.
    public static let noCommonAlgorithm = SSHErrorCode(rawValue: -5)
    /// LIBSSH2_ERROR_ALLOC: no memory, or the session's limit was reached.
    public static let outOfMemory = SSHErrorCode(rawValue: -6)
    /// LIBSSH2_ERROR_SOCKET_DISCONNECT.
    public static let disconnected = SSHErrorCode(rawValue: -13)
    /// LIBSSH2_ERROR_AUTHENTICATION_FAILED.
    public static let authenticationFailed = SSHErrorCode(rawValue: -18)
    /// LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED.
    public static let keyRefused = SSHErrorCode(rawValue: -19)
    /// LIBSSH2_ERROR_CHANNEL_FAILURE: the server would not open a channel.
    public static let channelRefused = SSHErrorCode(rawValue: -21)
    /// LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED: the server would not carry out what was asked on a channel.
    public static let requestDenied = SSHErrorCode(rawValue: -22)
    /// LIBSSH2_ERROR_BAD_USE: called after close, or in the wrong order.
    public static let badUse = SSHErrorCode(rawValue: -39)

    /// The connection broke, or the server ended it.
    public static let connectionLost = SSHErrorCode(rawValue: 1)
    /// The other end does not speak SSH 2.
    public static let notSSH = SSHErrorCode(rawValue: 2)
    /// The server sent more than a handshake ever needs.
    public static let flood = SSHErrorCode(rawValue: 3)
    /// A private key file cannot be read, or holds nothing usable.
    public static let unusableKey = SSHErrorCode(rawValue: 4)
    /// A private key file is encrypted.
    public static let encryptedKey = SSHErrorCode(rawValue: 5)
    /// The ssh-agent cannot be reached, or answers nonsense.
    public static let agent = SSHErrorCode(rawValue: 6)
}

/// Why something about a session failed.
public struct SSHError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of failure.
    public let code: SSHErrorCode
    /// What was being done, as "opening a channel".
    public let operation: String
    /// What went wrong, in one line; bytes of the server's are escaped.
    public let message: String

    /// Makes an error.
    public init(_ code: SSHErrorCode, _ operation: String, _ message: String) {
        self.code = code
        self.operation = operation
        self.message = message
    }

    /// Operation and message.
    public var description: String { "\(operation): \(message)" }
}
