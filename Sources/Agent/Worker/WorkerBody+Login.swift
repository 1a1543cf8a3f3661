import Glibc
import SSH
import WireProtocol

// Logging in as ssh(1) does: first the ssh-agent's keys that belong to the identity files, then its others (unless
// only those identities may be offered), then the files themselves. No key is tried twice, and none again after a
// refusal: servers shut an address out for that. Last comes the method "none", which tells what the server takes.

extension WorkerBody {
    /// Logs in, or throws why the host refused.
    func logIn(_ session: SSHSession, until deadline: WorkerInstant) throws(WorkerEnd) {
        enter(.authenticate)
        var attempt = LoginAttempt()
        attempt.readFiles(endpoint)
        try logInWithAgent(session, &attempt, until: deadline)
        if !session.isAuthenticated { try logInWithFiles(session, &attempt, until: deadline) }
        if session.isAuthenticated { return }
        // Asked last: sshd answers the method "none" late on purpose, and most hosts take the first key.
        let answer = try outcome(session, until: deadline, agent: nil) { () throws(SSHError) in
            try session.authenticationMethods(user: endpoint.user)
        }
        switch answer {
        case .success([]): return
        case .success(let methods):
            let user = SSHText.line(Array(endpoint.user.utf8))
            throw end(
                .refused,
                "\(host) refused \(user): \(attempt.summary); it takes \(methods.joined(separator: ","))"
            )
        case .failure(let error):
            try throwIfLost(error, session, attempt)
            throw end(.unreachable, "\(host): \(error)")
        }
    }

    // MARK: The ssh-agent

    private func logInWithAgent(
        _ session: SSHSession,
        _ attempt: inout LoginAttempt,
        until deadline: WorkerInstant
    ) throws(WorkerEnd) {
        guard let path = agentPath else { return }
        let agent: SSHAgentClient
        let held: [SSHAgentIdentity]
        do throws(SSHError) {
            agent = try SSHAgentClient(path: path)
        } catch {
            attempt.notes.append(error.description)
            return
        }
        switch try outcome(session, until: deadline, agent: agent, { () throws(SSHError) in try agent.identities() }) {
        case .success(let identities): held = identities
        case .failure(let error):
            attempt.notes.append(error.description)
            return
        }
        for identity in attempt.chosen(from: held, onlyListed: endpoint.identitiesOnly) {
            guard attempt.begin(identity.key, "ssh-agent key \(identity.comment) (\(identity.key.type))") else {
                continue
            }
            let answer = try outcome(session, until: deadline, agent: agent) { () throws(SSHError) in
                try session.authenticate(user: endpoint.user, identity: identity, agent: agent)
            }
            switch answer {
            case .success(.accepted): return
            case .success(.refused): continue
            case .failure(let error):
                try throwIfLost(error, session, attempt)
                attempt.notes.append(error.description)
                if !agent.isUsable { return }
            }
        }
    }

    private var agentPath: String? {
        switch endpoint.identityAgent {
        case "none": return nil
        case "":
            guard let path = getenv("SSH_AUTH_SOCK").map({ String(cString: $0) }), !path.isEmpty else { return nil }
            return path
        default: return LoginAttempt.expand(endpoint.identityAgent)
        }
    }

    // MARK: Files

    private func logInWithFiles(
        _ session: SSHSession,
        _ attempt: inout LoginAttempt,
        until deadline: WorkerInstant
    ) throws(WorkerEnd) {
        for file in attempt.files where !attempt.wasTried(file.publicKey) {
            guard !file.isEncrypted else {
                attempt.notes.append("\(file.path) is encrypted: add it to the ssh-agent")
                continue
            }
            guard attempt.begin(file.publicKey, file.path) else { continue }
            let answer = try outcome(session, until: deadline, agent: nil) { () throws(SSHError) in
                try session.authenticate(user: endpoint.user, keyFile: file)
            }
            switch answer {
            case .success(.accepted): return
            case .success(.refused): continue
            case .failure(let error):
                try throwIfLost(error, session, attempt)
                attempt.notes.append(error.description)
            }
        }
    }

    // MARK: Waiting for answers

    /// The answer of a call that never blocks.
    private func outcome<Value>(
        _ session: SSHSession,
        until deadline: WorkerInstant,
        agent: SSHAgentClient?,
        _ call: () throws(SSHError) -> SSHProgress<Value>
    ) throws(WorkerEnd) -> Result<Value, SSHError> {
        while true {
            do throws(SSHError) {
                switch try call() {
                case .done(let value): return .success(value)
                case .wouldBlock: break
                }
            } catch {
                return .failure(error)
            }
            try checkBeforeStart()
            if clock.now() >= deadline {
                let what = agent?.isAnswering == false ? "the ssh-agent gave no answer" : "logging in was not done"
                throw end(.unreachable, "\(host): \(what) before the connect timeout")
            }
            wait(for: session, until: deadline, also: agent)
        }
    }

    private func throwIfLost(_ error: SSHError, _ session: SSHSession, _ attempt: LoginAttempt) throws(WorkerEnd) {
        guard let loss = session.connectionLoss else { return }
        guard session.wasEndedByServer else { throw end(.unreachable, "\(host): \(error)") }
        throw end(.refused, "\(host): \(attempt.summary); \(loss.message)")
    }
}

/// The keys of one login: which there are, which were tried, and what stood in the way of others.
struct LoginAttempt {
    private(set) var files: [SSHPrivateKeyFile] = []
    var notes: [String] = []
    private var listed: [SSHPublicKey] = []
    private var triedKeys: Set<SSHPublicKey> = []
    private var tried: [String] = []
    private var triedRSA = false

    /// Files that ssh(1) looks for when none is named.
    private static let defaultFiles = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"]
    /// Types that libssh2 1.10 can sign with.
    private static let usableTypes: Set<String> = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    ]

    /// `~/` is the home of the user whom the agent runs as.
    static func expand(_ path: String) -> String {
        guard path.hasPrefix("~/") else { return path }
        let home = getenv("HOME").map { String(cString: $0) } ?? ""
        guard home.isEmpty else { return home + path.dropFirst() }
        return (getpwuid(getuid()).map { String(cString: $0.pointee.pw_dir) } ?? "") + path.dropFirst()
    }

    /// Reads the endpoint's identity files, or those of the defaults that exist.
    mutating func readFiles(_ endpoint: WireEndpoint) {
        let paths = endpoint.identityFiles.map(LoginAttempt.expand)
        let defaults = LoginAttempt.defaultFiles.map(LoginAttempt.expand).filter { access($0, F_OK) == 0 }
        for path in paths.isEmpty ? defaults : paths {
            let name = SSHText.line(Array(path.utf8))
            do throws(SSHError) {
                let file = try SSHPrivateKeyFile(path: path)
                files.append(file)
                if let key = file.publicKey { listed.append(key) }
            } catch {
                // The private half may be in the ssh-agent only.
                if let key = SSHPrivateKeyFile.publicKey(besides: path) {
                    listed.append(key)
                } else {
                    notes.append("\(name): \(error.message)")
                }
            }
        }
    }

    /// The ssh-agent's keys in the order in which they are offered.
    mutating func chosen(from held: [SSHAgentIdentity], onlyListed: Bool) -> [SSHAgentIdentity] {
        let usable = held.filter { LoginAttempt.usableTypes.contains($0.key.type) }
        for identity in held where !LoginAttempt.usableTypes.contains(identity.key.type) {
            notes.append("ssh-agent key \(identity.comment) is of type \(identity.key.type), which cannot be used")
        }
        let first = listed.compactMap { key in usable.first { $0.key == key } }
        return onlyListed ? first : first + usable.filter { !first.contains($0) }
    }

    /// Whether a key was tried already.
    func wasTried(_ key: SSHPublicKey?) -> Bool {
        key.map(triedKeys.contains) ?? false
    }

    /// Notes that a key is tried now; false when it was before.
    mutating func begin(_ key: SSHPublicKey?, _ name: String) -> Bool {
        if let key {
            guard triedKeys.insert(key).inserted else { return false }
            if key.type == "ssh-rsa" { triedRSA = true }
        }
        tried.append(name)
        return true
    }

    /// What was tried, and what was not and why.
    var summary: String {
        var parts = [tried.isEmpty ? "there was no key to try" : "tried " + tried.joined(separator: ", ")]
        parts += notes
        if triedRSA, !SSHLibrary.supportsRSAWithSHA2 {
            let version = SSHLibrary.version
            parts.append("libssh2 \(version) signs with RSA and SHA-1 only, which OpenSSH refuses: use an ed25519 key")
        }
        return parts.joined(separator: "; ")
    }
}
