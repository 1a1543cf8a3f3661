import SSH
import WireProtocol

// The host's key is checked before anything is said about the user. Where keys of a host are known, only their types
// are offered: a host that has another key besides must not look changed, and one that has lost the known key must.

extension WorkerBody {
    /// Types in the order in which they are asked for when none is known.
    private static let preferredKeyTypes = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    ]

    /// Offers the key types that are known of the host, or all.
    func offerKnownKeys(_ session: SSHSession) throws(SSHError) {
        let known = Set(endpoint.knownKeys.map(\.type))
        let types = WorkerBody.preferredKeyTypes.filter { known.isEmpty || known.contains($0) }
        let others = endpoint.knownKeys.map(\.type).filter { !WorkerBody.preferredKeyTypes.contains($0) }
        try session.prefer(.hostKey, (types + others).flatMap(algorithms))
    }

    /// Passes, or throws: revoked, changed, unknown. Under accept-new an unknown key is kept for the result.
    func checkHostKey(_ session: SSHSession) throws(WorkerEnd) {
        enter(.hostKey)
        guard let key = session.hostKey else { throw end(.unreachable, "\(host): the server showed no host key") }
        if let revoked = endpoint.revokedKeys.first(where: { $0.blob.elementsEqual(key.blob) }) {
            throw end(
                .refused,
                "the \(key.type) host key \(key.fingerprint) of \(host) is revoked (\(origin(revoked)))"
            )
        }
        if endpoint.knownKeys.contains(where: { $0.blob.elementsEqual(key.blob) }) { return }
        guard endpoint.knownKeys.isEmpty else {
            throw end(.refused, "\(changed): it now shows \(key.type) \(key.fingerprint). \(advice)")
        }
        switch endpoint.hostKeyPolicy {
        case .strict, .UNRECOGNIZED:
            let shown = "\(key.type) \(key.fingerprint)"
            let next = "compare it, then add it to known_hosts, or use StrictHostKeyChecking=accept-new"
            throw end(.refused, "unknown host key of \(host): \(shown); \(next)")
        case .acceptNew: newHostKey = key
        case .off: return
        }
    }

    /// For a failed key exchange: what it means, given what is known of the host.
    func explainNoCommonAlgorithm(_ error: SSHError, _ session: SSHSession) -> String {
        guard !endpoint.knownKeys.isEmpty, let offer = session.serverOffer else { return "\(host): \(error.message)" }
        let served = Set(offer.hostKeys.map(keyType))
        let known = endpoint.knownKeys.map(\.type)
        let listed = SSHText.line(Array(offer.hostKeys.joined(separator: ",").utf8), limit: 400)
        if !known.contains(where: served.contains) {
            return "\(changed): it now has only \(listed). \(advice)"
        }
        guard known.contains("ssh-rsa"), !SSHLibrary.supportsRSAWithSHA2, !offer.hostKeys.contains("ssh-rsa") else {
            return "\(host): \(error.message)"
        }
        return "\(host): only its RSA key is known, and libssh2 \(SSHLibrary.version) cannot check RSA keys with SHA-2;"
            + " add another of its keys to known_hosts (it has \(listed))"
    }

    /// For known keys of which libssh2 can check none.
    func explainUncheckable(_ error: SSHError) -> WorkerEnd {
        let types = endpoint.knownKeys.map { SSHText.line(Array($0.type.utf8), limit: 64) }.joined(separator: ",")
        return end(
            .refused,
            "\(host): none of its known keys (\(types)) can be checked by libssh2 \(SSHLibrary.version):"
                + " \(error.message)"
        )
    }

    private var changed: String {
        let known = endpoint.knownKeys.map { entry in
            let key = SSHPublicKey(blob: Array(entry.blob))
            return "\(key.type) \(key.fingerprint) (\(origin(entry)))"
        }
        return "host key changed: known of \(host) is \(known.joined(separator: ", "))"
    }

    private var advice: String { "If the host was set up anew, remove the old key; if not, somebody may be in between" }

    private func origin(_ key: WireHostKey) -> String { SSHText.line(Array(key.origin.utf8)) }

    /// The signature algorithms that go with a type of key.
    private func algorithms(_ type: String) -> [String] {
        type == "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type]
    }

    /// The type of key behind a signature algorithm.
    private func keyType(_ algorithm: String) -> String {
        algorithm == "rsa-sha2-512" || algorithm == "rsa-sha2-256" ? "ssh-rsa" : algorithm
    }
}
