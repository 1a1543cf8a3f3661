import CLibSSH2

/// A public key, as a server presents it or a file holds it.
public struct SSHPublicKey: Hashable, Sendable {
    /// "ssh-ed25519"; empty when the blob does not say.
    public let type: String
    /// The key as RFC 4253, section 6.6 encodes it.
    public let blob: [UInt8]

    /// Takes a blob and reads the type from it.
    public init(blob: [UInt8]) {
        var reader = SSHReader(blob[...])
        type = reader.string().map { SSHText.line($0, limit: 64) } ?? ""
        self.blob = blob
    }

    /// "SHA256:…", as OpenSSH prints it.
    public var fingerprint: String {
        var digest = [UInt8](repeating: 0, count: 32)
        guard coord_ssh2_sha256(blob, blob.count, &digest) else { return "SHA256:unavailable" }
        return "SHA256:" + Base64.encodeUnpadded(digest)
    }
}
