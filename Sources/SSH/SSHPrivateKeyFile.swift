import Glibc

// A private key file, looked at but not decrypted: what key it is, and whether it can be used without a passphrase.
//
// OpenSSH's own format ("openssh-key-v1") names the cipher and carries the public key in clear text. Older PEM files
// say whether they are encrypted, and their public key is taken from FILE.pub when that exists.

/// A private key in a file.
public struct SSHPrivateKeyFile: Sendable {
    /// Where it is.
    public let path: String
    /// Its public half; nil when it is an old format without FILE.pub beside it.
    public let publicKey: SSHPublicKey?
    /// Whether a passphrase is needed; this module has none.
    public let isEncrypted: Bool

    /// The longest key file that is read, in bytes; an RSA key of 16,384 bits has 12 KB.
    public static let sizeLimit = 64 << 10

    /// Reads the file.
    ///
    /// - Throws: ``SSHError``: `.unusableKey` when it cannot be read or is no private key.
    public init(path: String) throws(SSHError) {
        let bytes = try readFile(path)
        guard let begin = SSHPrivateKeyFile.beginLine(bytes) else {
            throw SSHError(.unusableKey, "reading \(path)", "not a private key")
        }
        self.path = path
        guard begin.contains("OPENSSH") else {
            isEncrypted = begin.contains("ENCRYPTED") || SSHPrivateKeyFile.hasEncryptedHeader(bytes)
            publicKey = SSHPrivateKeyFile.publicKey(besides: path)
            return
        }
        guard let envelope = SSHPrivateKeyFile.envelope(bytes) else {
            throw SSHError(.unusableKey, "reading \(path)", "a damaged OpenSSH private key")
        }
        isEncrypted = !envelope.cipher.elementsEqual("none".utf8)
        publicKey = SSHPublicKey(blob: Array(envelope.publicBlob))
    }

    /// The public key in a file like "id_ed25519.pub"; nil when there is no such file or it holds no key.
    public static func publicKey(besides path: String) -> SSHPublicKey? {
        guard access(path + ".pub", R_OK) == 0 else { return nil }
        do throws(SSHError) {
            let fields = try readFile(path + ".pub").split(separator: UInt8(ascii: " "), maxSplits: 2)
            guard fields.count >= 2, let blob = Base64.decode(fields[1].prefix { !isLineEnd($0) }) else { return nil }
            let key = SSHPublicKey(blob: blob)
            return key.type.utf8.elementsEqual(fields[0]) ? key : nil
        } catch {
            // Only a hint for choosing among the ssh-agent's keys: without it the key file itself decides.
            return nil
        }
    }

    // MARK: Formats

    private static func isLineEnd(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }

    private static func beginLine(_ bytes: [UInt8]) -> String? {
        let line = String(decoding: bytes.prefix { !isLineEnd($0) }, as: UTF8.self)
        return line.hasPrefix("-----BEGIN ") && line.hasSuffix("PRIVATE KEY-----") ? line : nil
    }

    private static func hasEncryptedHeader(_ bytes: [UInt8]) -> Bool {
        bytes.split(whereSeparator: isLineEnd).prefix(4).contains { line in
            line.starts(with: Array("Proc-Type:".utf8)) && line.suffix(9).elementsEqual("ENCRYPTED".utf8)
        }
    }

    private static func envelope(_ bytes: [UInt8]) -> (cipher: ArraySlice<UInt8>, publicBlob: ArraySlice<UInt8>)? {
        let body = bytes.split(whereSeparator: isLineEnd).dropFirst().prefix { $0.first != UInt8(ascii: "-") }
        guard let decoded = Base64.decode(body.joined()) else { return nil }
        let magic = Array("openssh-key-v1\0".utf8)
        guard decoded.starts(with: magic) else { return nil }
        var reader = SSHReader(decoded[magic.count...])
        guard
            let cipher = reader.string(), reader.string() != nil, reader.string() != nil,
            reader.uint32() == 1, let publicBlob = reader.string()
        else { return nil }
        return (cipher, publicBlob)
    }
}

/// A whole file, up to the limit of key files.
private func readFile(_ path: String) throws(SSHError) -> [UInt8] {
    let operation = "reading \(path)"
    // O_NONBLOCK: a FIFO in the place of a key must not make this wait.
    let fd = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { throw SSHError(.unusableKey, operation, errorText(errno)) }
    defer { Glibc.close(fd) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while bytes.count <= SSHPrivateKeyFile.sizeLimit {
        let count = Glibc.read(fd, &buffer, buffer.count)
        if count == 0 { return bytes }
        if count < 0 {
            if errno == EINTR { continue }
            throw SSHError(.unusableKey, operation, errorText(errno))
        }
        bytes.append(contentsOf: buffer[..<count])
    }
    throw SSHError(.unusableKey, operation, "longer than 64 KiB, no key file")
}
