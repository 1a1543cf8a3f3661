/// The host key types that may stand in known_hosts.
enum HostKeyType: String, Sendable {
    case ed25519 = "ssh-ed25519"
    case rsa = "ssh-rsa"
    case dsa = "ssh-dss"
    case ecdsa256 = "ecdsa-sha2-nistp256"
    case ecdsa384 = "ecdsa-sha2-nistp384"
    case ecdsa521 = "ecdsa-sha2-nistp521"
    case securityKeyEd25519 = "sk-ssh-ed25519@openssh.com"
    case securityKeyECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"

    /// Whether a blob is made of the type's name and the right number of fields, and nothing else.
    ///
    /// Each field is a length of 32 bits and that many bytes: RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709.
    func accepts(_ blob: [UInt8]) -> Bool {
        guard let fields = HostKeyType.fields(of: blob), fields.count == fieldCount else { return false }
        guard fields[0].elementsEqual(rawValue.utf8) else { return false }
        switch self {
        case .ed25519, .securityKeyEd25519: return fields[1].count == 32
        case .rsa, .dsa, .ecdsa256, .ecdsa384, .ecdsa521, .securityKeyECDSA:
            return fields.allSatisfy { !$0.isEmpty }
        }
    }

    /// The type's name counts as a field.
    private var fieldCount: Int {
        switch self {
        case .ed25519: 2
        case .rsa, .ecdsa256, .ecdsa384, .ecdsa521, .securityKeyEd25519: 3
        case .securityKeyECDSA: 4
        case .dsa: 5
        }
    }

    private static func fields(of blob: [UInt8]) -> [ArraySlice<UInt8>]? {
        var fields: [ArraySlice<UInt8>] = []
        var rest = blob[...]
        while !rest.isEmpty {
            guard rest.count >= 4 else { return nil }
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard length <= rest.count else { return nil }
            fields.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return fields
    }
}
