import ForkPool
import Glibc
import SSH
import WireProtocol
import ZeroMQ

/// An agent that a coordinator started on its own machine.
///
/// Its standard input is the coordinator's lifeline: at its end the agent ends. Its descriptor 3, where there is one, is
/// held by the agent, its pool and its workers alike, so that the coordinator sees when the last of them is gone.
enum LocalAgent {
    /// The descriptors 0 to 3 have a meaning; everything above belongs to nobody yet.
    private static let familyDescriptor: Int32 = 3

    /// - Returns: the process's exit status.
    static func run(name: String, socketPath: String) -> Int32 {
        let limit = PoolLimit.ofThisMachine()
        do {
            let pool = try ForkPool.start(
                title: ["coord-agent:", name, "pool"],
                prepare: {
                    // The lifeline is the agent's alone.
                    let null = open("/dev/null", O_RDONLY)
                    if null >= 0 { dup2(null, STDIN_FILENO) }
                    if null > familyDescriptor { close(null) }
                    do {
                        try Worker.warmUp()
                    } catch {
                        // Every worker then pays for the start of OpenSSL itself; nothing else changes.
                        AgentLog.write("\(name): the pool stays cold: \(error)")
                    }
                },
                worker: { socket in Worker.run(on: socket) }
            )
            ForkPool.adoptOrphans()
            ProcessTitle.set(["coord-agent:", name])
            let termination = try SignalDescriptor.terminate()
            // Two agents on one path would steal each other's callers: ZeroMQ takes over a path in silence.
            let lock = try PathLock(path: socketPath + ".lock")
            defer { lock.release() }
            let context = try ZeroMQContext()
            let socket = try ZeroMQSocket(
                .router,
                context: context,
                messageLimit: LinkLimit.frame,
                queueLimit: LinkLimit.unacknowledged
            )
            umask(0o077)
            try socket.bind("ipc://\(socketPath)")
            let link = AgentLink(socket: socket, poolLimit: limit, now: BootClock.now)
            let status = try AgentLoop(pool: pool, link: link, terminationDescriptor: termination).run()
            socket.close()
            if coordinatorIsGone { removeFolder(of: socketPath) }
            return status
        } catch {
            AgentLog.write("\(name): \(error)")
            return 1
        }
    }

    /// The end of standard input.
    private static var coordinatorIsGone: Bool {
        var item = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return poll(&item, 1, 0) == 1
    }

    /// Nobody else is left to do it. With other agents still in it the folder stays, and the last of them removes it.
    private static func removeFolder(of socketPath: String) {
        unlink(socketPath)
        unlink(socketPath + ".lock")
        if let slash = socketPath.lastIndex(of: "/") { rmdir(String(socketPath[..<slash])) }
    }
}
