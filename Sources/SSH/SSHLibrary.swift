import CLibSSH2

/// The linked libssh2.
public enum SSHLibrary {
    private static let initialized = libssh2_init(0)

    /// "1.10.0".
    public static var version: String {
        libssh2_version(0).map { String(cString: $0) } ?? ""
    }

    /// RSA keys with SHA-2 signatures, which today's servers insist on: from libssh2 1.11 on.
    public static var supportsRSAWithSHA2: Bool {
        libssh2_version(0x01_0b_00) != nil
    }

    /// Starts the library, once for a process (libssh2_init).
    ///
    /// - Throws: ``SSHError`` when the library refuses.
    public static func start() throws(SSHError) {
        guard initialized == 0 else {
            throw SSHError(SSHErrorCode(rawValue: initialized), "starting libssh2", "libssh2_init refused")
        }
    }

    /// Starts the library and does a handshake's worth of crypto, so that processes forked from this one find
    /// OpenSSL's tables loaded. Takes about 5 ms.
    ///
    /// - Throws: ``SSHError`` when libssh2 does not start, or libcrypto refuses an algorithm that sessions need.
    public static func warmUp() throws(SSHError) {
        try start()
        guard coord_ssh2_warm_up() else {
            throw SSHError(.outOfMemory, "warming libcrypto up", "an algorithm that sessions need was refused")
        }
    }
}
