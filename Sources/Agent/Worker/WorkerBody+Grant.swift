import SSH
import WireProtocol

// Claim before run: nothing starts on the host before the grant is here, and none that is older than its age counts,
// because by then the coordinator may have given the host to another agent. The age is taken on this machine's clock,
// which goes on while the machine or the process is stopped.

extension WorkerBody {
    /// Claims, and returns when the grant is here.
    func awaitGrant(_ session: SSHSession) throws(WorkerEnd) {
        enter(.grant)
        let age = job.grantAgeMilliseconds
        let deadline = clock.now().advanced(byMilliseconds: age)
        restartSilence()
        link.send(.claim, [])
        while true {
            let now = clock.now()
            link.receive()
            if link.isClosed { throw .agentGone }
            switch link.takeOrder() {
            case .stop: throw end(.cancelled, "cancelled before anything was started on \(host)")
            case .grant:
                guard clock.now() < deadline else {
                    throw end(
                        .unreachable,
                        "\(host): the grant came later than \(age) ms after the claim; nothing was started there"
                    )
                }
                return
            case nil: break
            }
            if now >= deadline {
                throw .returned("no grant within \(age) ms")
            }
            try listen(session)
            wait(for: session, until: earlier(deadline, silenceDeadline(session)))
        }
    }

    /// Opens the first step's channel meanwhile, which also shows whether the connection still stands.
    private func listen(_ session: SSHSession) throws(WorkerEnd) {
        do throws(SSHError) {
            if let spareChannel {
                try spareChannel.receive()
            } else if case .done(let channel) = try session.openChannel() {
                spareChannel = channel
            }
            if let loss = session.connectionLoss { throw loss }
        } catch {
            throw end(.unreachable, "\(host): \(error) while waiting for the grant; nothing was started there")
        }
        if let silence = checkSilence(session) {
            throw end(
                .unreachable,
                "\(host): no answer for \(silence) s while waiting for the grant; nothing was started there"
            )
        }
    }
}
