import Glibc
import SSH
import SwiftProtobuf
import WireProtocol

// A worker: one host, one SSH connection, in a process of its own that was forked from the pool. It gets its job over
// the socket to the agent and answers with frames; see WorkerFrame.swift. One thread, one poll(2) over the two
// sockets, deadlines by CLOCK_BOOTTIME.
//
//     job → resolve → connect → handshake → host key → authenticate → claim … grant → run → finished
//
// Before the grant nothing is run on the host. After the last frame the process ends; nothing is freed or flushed by
// anybody else, so what must reach the agent is sent before that.

/// The body of a worker process.
enum Worker {
    /// Does the job that comes over `socket`, and ends the process.
    static func run(on socket: Int32) -> Never {
        _exit(perform(on: socket))
    }

    /// Does the job that comes over `socket`; the exit status of the process that does so.
    static func perform(on socket: Int32, clock: WorkerClock = .machine) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let link = WorkerLink(fd: socket)
        guard let job = receiveJob(link) else { return WorkerExit.malformed }
        let body = WorkerBody(job: job, link: link, clock: clock)
        return body.run()
    }

    /// Loads what every worker needs, in the process that they are forked from: libcrypto's tables, and the code and
    /// caches for the two messages of a worker's life.
    ///
    /// - Throws: ``SSHError`` when libssh2 or libcrypto does not work.
    static func warmUp() throws(SSHError) {
        try SSHLibrary.warmUp()
        var job = WireWorkerJob()
        job.runID = "warm"
        job.task.steps = [.with { $0.run = "true" }]
        job.lease.host = "host"
        job.lease.endpoint.address = "127.0.0.1"
        job.lease.endpoint.knownKeys = [.with { $0.type = "ssh-ed25519" }]
        var result = WireResult()
        result.outcome = .ok
        result.exitStatus = 0
        result.seconds.run = 1
        do {
            _ = try WireWorkerJob(serializedBytes: try job.serializedBytes() as [UInt8])
            _ = try result.serializedBytes() as [UInt8]
        } catch {
            preconditionFailure("our own messages cannot be encoded: \(error)")
        }
        _ = WorkerCommand(script: "true", job: job)
    }

    private static func receiveJob(_ link: WorkerLink) -> WireWorkerJob? {
        while link.job == nil {
            var poller = pollfd(fd: link.fd, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, -1) >= 0 || errno == EINTR else { return nil }
            link.receive()
            if link.isClosed { return nil }
        }
        do {
            let job = try WireWorkerJob(serializedBytes: link.job ?? [])
            return isUsable(job) ? job : nil
        } catch {
            // The exit status says it: there is nobody to whom more could be told over this pipe.
            return nil
        }
    }

    /// Whether a job has all that is needed, and nothing that cannot be passed on.
    private static func isUsable(_ job: WireWorkerJob) -> Bool {
        let endpoint = job.lease.endpoint
        let scripts = job.task.steps.map { step in
            switch step.action {
            case .run(let script): script
            case nil: "\0"
            }
        }
        let texts =
            [job.runID, job.lease.host, job.task.name, endpoint.address, endpoint.user, endpoint.identityAgent]
            + scripts + job.task.environment.map(\.value) + endpoint.identityFiles
        return !job.runID.isEmpty && !endpoint.address.isEmpty && !endpoint.user.isEmpty
            && (1...65535).contains(endpoint.port) && !scripts.isEmpty
            && !texts.contains { $0.utf8.contains(0) }
            && job.task.environment.allSatisfy { isVariableName($0.name) }
    }

    private static func isVariableName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
