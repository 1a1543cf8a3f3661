import Glibc
import Testing
import WireProtocol

@testable import Agent

/// How one host's work ends, on a real sshd.
@Suite struct WorkerTests {
    // MARK: Steps that end by themselves

    struct Ending: CustomTestStringConvertible, Sendable {
        var scripts: [String]
        var keepGoing = false
        var outcome: WireOutcome
        var status: Int32?
        var signal = ""
        var failed: UInt32 = 0
        var output = ""
        var message = ""

        var testDescription: String { scripts.joined(separator: " | ") }
    }

    @Test(arguments: [
        Ending(scripts: ["echo hi"], outcome: .ok, status: 0, output: "hi\n"),
        Ending(scripts: ["echo a", "echo b"], outcome: .ok, status: 0, output: "a\nb\n"),
        Ending(scripts: ["exit 1"], outcome: .failed, status: 1, failed: 1, message: "host3: exit status 1"),
        Ending(scripts: ["exit 7"], outcome: .failed, status: 7, failed: 1),
        Ending(scripts: ["exit 255"], outcome: .failed, status: 255, failed: 1),
        Ending(scripts: ["nonesuch-command"], outcome: .failed, status: 127, failed: 1),
        Ending(scripts: ["kill -9 $$"], outcome: .signalled, signal: "KILL", failed: 1, message: "host3: signal KILL"),
        Ending(scripts: ["kill -TERM $$"], outcome: .signalled, signal: "TERM", failed: 1),
        Ending(
            scripts: ["echo a", "exit 3", "echo c"],
            outcome: .failed,
            status: 3,
            failed: 1,
            output: "a\n",
            message: "host3: step 2 of 3: exit status 3"
        ),
        Ending(
            scripts: ["exit 3", "echo b", "kill -9 $$"],
            keepGoing: true,
            outcome: .failed,
            status: 3,
            failed: 2,
            output: "b\n",
            message: "host3: step 1 of 3: exit status 3; 2 steps failed"
        ),
        Ending(scripts: ["read word || echo none"], outcome: .ok, status: 0, output: "none\n"),
        Ending(
            scripts: ["echo $COORD_HOST $COORD_INDEX $COORD_TOTAL $COORD_TASK"],
            outcome: .ok,
            status: 0,
            output: "host3 2 9 task\n"
        ),
        Ending(
            scripts: [#"echo "it's" '$(x)' '`y`' "a  b" \\ '!' $#"#],
            outcome: .ok,
            status: 0,
            output: "it's $(x) `y` a  b \\ ! 0\n"
        ),
        Ending(scripts: ["cat <<E\na\\b\n'c' \"d\"\nE\n"], outcome: .ok, status: 0, output: "a\\b\n'c' \"d\"\n"),
        Ending(scripts: ["# a comment\necho $# -- -x"], outcome: .ok, status: 0, output: "0 -- -x\n"),
    ])
    func endsAsTheHostSays(row: Ending) throws {
        let server = try WorkerTestServer()
        var job = try server.job()
        job.task.steps = row.scripts.map { script in .with { $0.run = script } }
        job.task.keepGoing = row.keepGoing
        let worker = try WorkerRun(job)
        try worker.grant()
        let result = try worker.result()
        #expect(result.outcome == row.outcome, "\(result)")
        #expect((result.hasExitStatus ? result.exitStatus : nil) == row.status)
        #expect(result.signal == row.signal)
        #expect(result.failedSteps == row.failed)
        #expect(worker.text == row.output)
        if !row.message.isEmpty { #expect(result.message == row.message) }
        #expect(result.stage == .none)
        #expect(!result.outputOpen && !result.outputIncomplete && !result.possiblyRunning)
        #expect(worker.stages == [1, 2, 3, 4, 5, 6, 7])
        #expect(result.seconds.connect > 0 && result.seconds.auth > 0 && result.seconds.run > 0)
        #expect(worker.exitStatus() == 0)
    }

    @Test func bytesAreExactAndStreamsApart() throws {
        let server = try WorkerTestServer()
        let worker = try WorkerRun(server.job(#"printf 'a\0\377\303\050'; printf '\200\n' >&2"#))
        try worker.grant()
        #expect(try worker.result().outcome == .ok)
        #expect(worker.output(.stdout) == [0x61, 0, 0xff, 0xc3, 0x28])
        #expect(worker.output(.stderr) == [0x80, 0x0a])
    }

    @Test func variablesArriveAsWritten() throws {
        let server = try WorkerTestServer()
        var job = try server.job(#"printf '%s|' "$A" "$B" "$C""#)
        let values = ["it's $(x) `y`", "two\nlines\n", "back\\slash!"]
        job.task.environment = zip(["A", "B", "C"], values).map { name, value in
            .with {
                $0.name = name
                $0.value = value
            }
        }
        let worker = try WorkerRun(job)
        try worker.grant()
        #expect(try worker.result().outcome == .ok)
        #expect(worker.text == values.map { $0 + "|" }.joined())
    }

    @Test func longScriptRuns() throws {
        let server = try WorkerTestServer()
        let script = "# \(String(repeating: "x", count: 100_000))\nread word || echo \"none $0 'q'\"\nexit 5\n"
        let worker = try WorkerRun(server.job(script))
        try worker.grant()
        let result = try worker.result()
        #expect(result.outcome == .failed)
        #expect(result.exitStatus == 5)
        #expect(worker.text == "none /bin/sh 'q'\n")
    }

    @Test func backgroundProcessHoldsTheOutput() throws {
        let server = try WorkerTestServer()
        let job = try server.job("sleep 30 & echo hi")
        let worker = try WorkerRun(job)
        try worker.grant()
        let result = try worker.result()
        #expect(result.outcome == .ok)
        #expect(result.outputOpen)
        #expect(worker.text == "hi\n")
        #expect((1.9..<8).contains(result.seconds.run), "\(result.seconds.run)")
        try WorkerTestServer.run("/bin/sh", "-c", "kill $(echo '\(try server.processes(of: job))' | tr -dc '0-9\\n')")
    }

    @Test func backgroundFloodDoesNotHoldTheStep() throws {
        let server = try WorkerTestServer()
        let job = try server.job("yes & exit 4")
        let worker = try WorkerRun(job)
        try worker.grant()
        let result = try worker.result()
        #expect(result.outcome == .failed)
        #expect(result.exitStatus == 4)
        #expect(result.outputOpen)
        #expect((1.9..<15).contains(result.seconds.run), "\(result.seconds.run)")
    }

    @Test func unreadAgentSocketHoldsTheHostBack() throws {
        let server = try WorkerTestServer()
        var job = try server.job("head -c 20000000 /dev/zero; echo end >&2")
        job.task.timeoutMilliseconds = 1500
        job.lease.endpoint.aliveIntervalSeconds = 1
        job.lease.endpoint.aliveCountMax = 1
        let worker = try WorkerRun(job)
        try worker.grant()
        // Longer than the task's timeout and the host's silence: neither counts while nobody reads.
        poll(nil, 0, 3500)
        let result = try worker.result()
        #expect(result.outcome == .ok, "\(result)")
        #expect(worker.output(.stdout).count == 20_000_000)
        #expect(String(decoding: worker.output(.stderr), as: UTF8.self) == "end\n")
    }

    // MARK: Cut short

    @Test func timeoutEndsTheRemoteProcesses() throws {
        let server = try WorkerTestServer()
        var job = try server.job("echo up; sleep 60 & sh -c 'sleep 61'; sleep 62")
        job.task.timeoutMilliseconds = 700
        let worker = try WorkerRun(job)
        try worker.grant()
        let result = try worker.result()
        #expect(result.outcome == .timedOut)
        #expect(result.message == "host3: not done within 0.7 s; the command was ended")
        #expect(result.stage == .run)
        #expect(!result.possiblyRunning)
        #expect(worker.text == "up\n")
        #expect(try server.processes(of: job) == "")
    }

    @Test func stopEndsProcessesThatIgnoreTERM() throws {
        let server = try WorkerTestServer()
        let job = try server.job("trap '' TERM; echo up; while :; do sleep 1; done")
        let worker = try WorkerRun(job)
        try worker.grant()
        try worker.frame { $0.kind == .stdout }
        worker.send(.stop)
        let result = try worker.result()
        #expect(result.outcome == .cancelled)
        #expect(!result.possiblyRunning, "\(result.message)")
        #expect(try server.processes(of: job) == "")
    }

    @Test func whatCannotBeEndedIsNamed() throws {
        let server = try WorkerTestServer(options: "MaxSessions 1")
        let job = try server.job("echo up; exec sleep 60")
        let worker = try WorkerRun(job)
        try worker.grant()
        try worker.frame { $0.kind == .stdout }
        worker.send(.stop)
        let result = try worker.result()
        #expect(result.outcome == .cancelled)
        #expect(result.possiblyRunning)
        #expect(result.message.contains("may still be running"), "\(result.message)")
        try WorkerTestServer.run("/bin/sh", "-c", "kill $(echo '\(try server.processes(of: job))' | tr -dc '0-9\\n')")
    }

    @Test func deadAgentEndsTheRemoteProcesses() throws {
        let server = try WorkerTestServer()
        let job = try server.job("echo up; sleep 60; sleep 61")
        let worker = try WorkerRun(job)
        try worker.grant()
        try worker.frame { $0.kind == .stdout }
        worker.closeAgent()
        #expect(worker.exitStatus() == WorkerExit.agentGone)
        #expect(try server.processes(of: job) == "")
    }

    @Test func killedServerProcessIsLost() throws {
        let server = try WorkerTestServer()
        let worker = try WorkerRun(server.job("echo before; kill -9 $PPID; sleep 5"))
        try worker.grant()
        let result = try worker.result()
        #expect(result.outcome == .lost)
        #expect(result.outputIncomplete)
        #expect(result.possiblyRunning)
        #expect(!result.hasExitStatus)
        #expect(result.message.hasPrefix("host3: connection: "), "\(result.message)")
    }

    @Test func silentHostIsLost() throws {
        let server = try WorkerTestServer()
        var job = try server.job("echo up; kill -STOP $PPID; sleep 60")
        job.lease.endpoint.aliveIntervalSeconds = 1
        job.lease.endpoint.aliveCountMax = 2
        let worker = try WorkerRun(job)
        try worker.grant()
        let result = try worker.result()
        #expect(result.outcome == .lost)
        #expect(result.message == "host3: no answer for 3 s")
        // The stopped server process is the parent of what carries the marker.
        let found = try server.processes(of: job)
        try WorkerTestServer.run(
            "/bin/sh",
            "-c",
            """
            for pid in $(echo '\(found)' | tr -dc '0-9\\n'); do
                kill -CONT $(sed -n 's/^PPid:.//p' /proc/$pid/status) || :
                kill $pid || :
            done
            """
        )
    }

    // MARK: Never started

    @Test func stopBeforeTheGrantStartsNothing() throws {
        let server = try WorkerTestServer()
        let worker = try WorkerRun(server.job("touch '\(server.folder)/ran'"))
        try worker.frame { $0.kind == .claim }
        worker.send(.stop)
        worker.send(.grant)
        let result = try worker.result()
        #expect(result.outcome == .cancelled)
        #expect(result.stage == .grant)
        #expect(access("\(server.folder)/ran", F_OK) != 0)
    }

    @Test func lateGrantStartsNothing() throws {
        let server = try WorkerTestServer()
        var job = try server.job("touch '\(server.folder)/ran'")
        job.grantAgeMilliseconds = 2000
        let worker = try WorkerRun(job)
        try worker.frame { $0.kind == .claim }
        worker.grantAtNextLookAtTheClock(andMoveItBySeconds: 60)
        let result = try worker.result()
        #expect(result.outcome == .unreachable)
        #expect(result.stage == .grant)
        #expect(result.message.contains("nothing was started"))
        #expect(access("\(server.folder)/ran", F_OK) != 0)
    }

    @Test func withoutGrantTheLeaseGoesBack() throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        job.grantAgeMilliseconds = 300
        let worker = try WorkerRun(job)
        try worker.frame { _ in false }
        #expect(worker.frames.last == WorkerFrame(.returned, Array("no grant within 300 ms".utf8)))
        #expect(worker.exitStatus() == 0)
    }

    @Test func connectionLostBeforeTheGrantIsUnreachable() throws {
        let server = try WorkerTestServer()
        let worker = try WorkerRun(server.job("true"))
        try worker.frame { $0.kind == .claim }
        try server.killSessions()
        let result = try worker.result()
        #expect(result.outcome == .unreachable)
        #expect(result.stage == .grant)
    }

    @Test func refusedPortIsUnreachableAtOnce() throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        let listener = try WorkerTestServer.listenOnFreePort()
        close(listener.fd)
        job.lease.endpoint.port = UInt32(listener.port)
        let worker = try WorkerRun(job)
        let result = try worker.result()
        #expect(result.outcome == .unreachable)
        #expect(result.stage == .connect)
        #expect(result.message == "cannot connect to host3: 127.0.0.1 port \(listener.port): Connection refused")
        #expect(!worker.hasClaimed)
    }

    @Test func silentPortIsUnreachableAtTheDeadline() throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        let listener = try WorkerTestServer.listenOnFreePort()
        defer { close(listener.fd) }
        job.lease.endpoint.port = UInt32(listener.port)
        job.lease.endpoint.connectTimeoutMilliseconds = 400
        let worker = try WorkerRun(job)
        let result = try worker.result()
        #expect(result.outcome == .unreachable)
        #expect(result.stage == .handshake)
        #expect(result.message == "host3: no key exchange within 0.4 s of connecting, before any SSH banner")
    }

    @Test func nameThatDoesNotResolveIsUnreachable() throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        job.lease.endpoint.address = "no such name"
        let result = try WorkerRun(job).result()
        #expect(result.outcome == .unreachable)
        #expect(result.stage == .resolve)
        #expect(result.message.hasPrefix("cannot look up no such name: "), "\(result.message)")
    }

    @Test func nameIsLookedUp() throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        job.lease.endpoint.address = "localhost"
        let worker = try WorkerRun(job)
        try worker.grant()
        #expect(try worker.result().outcome == .ok)
    }

    // MARK: Refused

    @Test func wrongKeyIsRefusedAfterOneTry() throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        let wrong = "\(server.folder)/wrong"
        try WorkerTestServer.run("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", wrong)
        job.lease.endpoint.identityFiles = [wrong, wrong, "/nonexistent/key"]
        let worker = try WorkerRun(job)
        let result = try worker.result()
        #expect(result.outcome == .refused)
        #expect(result.stage == .authenticate)
        #expect(
            result.message
                == "host3 refused \(server.user): tried \(wrong); /nonexistent/key: No such file or directory;"
                + " it takes publickey"
        )
        #expect(!worker.hasClaimed)
    }

    @Test func agentKeysComeFirstAndOnlyListedOnes() throws {
        let server = try WorkerTestServer()
        let path = "\(server.folder)/agent"
        let pid = try WorkerTestServer.spawn(["/usr/bin/ssh-agent", "-D", "-a", path])
        defer {
            kill(pid, SIGTERM)
            waitpid(pid, nil, 0)
        }
        while access(path, F_OK) != 0 { poll(nil, 0, 5) }
        let other = "\(server.folder)/other"
        try WorkerTestServer.run("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "other", "-f", other)
        try WorkerTestServer.run(
            "/usr/bin/env",
            "SSH_AUTH_SOCK=\(path)",
            "/usr/bin/ssh-add",
            "-q",
            other,
            server.userKey
        )
        // The file is gone, its public half is left: only the agent can sign.
        unlink(server.userKey)
        var job = try server.job("true")
        job.lease.endpoint.identityAgent = path
        job.lease.endpoint.identitiesOnly = true
        let worker = try WorkerRun(job)
        try worker.grant()
        #expect(try worker.result().outcome == .ok)
        job.lease.endpoint.identityFiles = [other]
        let result = try WorkerRun(job).result()
        #expect(result.outcome == .refused)
        #expect(result.message.contains("tried ssh-agent key other (ssh-ed25519); it takes"), "\(result.message)")
    }

    struct HostKeys: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var server = ["ed25519", "ecdsa"]
        var known: [String] = []
        var revoked: [String] = []
        var policy = WireHostKeyPolicy.strict
        var outcome = WireOutcome.refused
        var message = ""
    }

    @Test(arguments: [
        HostKeys(testDescription: "unknown", message: "unknown host key of host3: ssh-ed25519 SHA256:"),
        HostKeys(
            testDescription: "changed",
            known: ["user"],
            message: "host key changed: known of host3 is ssh-ed25519 SHA256:"
        ),
        HostKeys(
            testDescription: "changed, accept-new",
            known: ["user"],
            policy: .acceptNew,
            message: "(known_hosts:7): it now shows ssh-ed25519 SHA256:"
        ),
        HostKeys(testDescription: "changed, off", known: ["user"], policy: .off, message: "host key changed"),
        HostKeys(
            testDescription: "revoked",
            known: ["ed25519"],
            revoked: ["ed25519"],
            policy: .off,
            message: "is revoked (known_hosts:7)"
        ),
        HostKeys(
            testDescription: "other type only",
            server: ["ecdsa"],
            known: ["ed25519"],
            message: "it now has only ecdsa-sha2-nistp256."
        ),
        HostKeys(testDescription: "unknown, accept-new", policy: .acceptNew, outcome: .ok),
        HostKeys(testDescription: "unknown, off", policy: .off, outcome: .ok),
        HostKeys(testDescription: "second type known", known: ["ecdsa"], outcome: .ok),
        HostKeys(testDescription: "two known", known: ["user", "ed25519"], outcome: .ok),
        HostKeys(testDescription: "other revoked", known: ["ed25519"], revoked: ["user"], outcome: .ok),
    ])
    func hostKeyIsChecked(row: HostKeys) throws {
        let server = try WorkerTestServer(hostKeyTypes: row.server, options: "LogLevel VERBOSE")
        if !row.server.contains("ed25519") {
            try WorkerTestServer.run(
                "/usr/bin/ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                "\(server.folder)/ed25519"
            )
        }
        var job = try server.job("true")
        job.lease.endpoint.knownKeys = try row.known.map { try server.known($0) }
        job.lease.endpoint.revokedKeys = try row.revoked.map { try server.known($0) }
        job.lease.endpoint.hostKeyPolicy = row.policy
        let worker = try WorkerRun(job)
        if row.outcome == .ok { try worker.grant() }
        let result = try worker.result()
        #expect(result.outcome == row.outcome, "\(result.message)")
        #expect(
            row.message.isEmpty ? result.message.isEmpty : result.message.contains(row.message),
            "\(result.message)"
        )
        let isNew = row.policy == .acceptNew && row.known.isEmpty
        #expect(result.hasNewHostKey == isNew)
        if isNew { #expect(try Array(result.newHostKey.blob) == server.blob("ed25519")) }
        // Refused before anything was said about the user.
        if row.outcome != .ok { #expect(!server.log.contains(server.user)) }
    }

    @Test func rsaOnlyKnownHostIsExplained() throws {
        let server = try WorkerTestServer(hostKeyTypes: ["rsa", "ed25519"], options: "HostKeyAlgorithms rsa-sha2-512")
        var job = try server.job("true")
        job.lease.endpoint.knownKeys = [try server.known("rsa", type: "ssh-rsa")]
        let result = try WorkerRun(job).result()
        #expect(result.outcome == .refused)
        #expect(result.message.contains("cannot check RSA keys with SHA-2"), "\(result.message)")
    }

    // MARK: Frames that make no sense

    @Test(arguments: [
        "run", "host", "address", "user", "port", "steps", "action", "NUL", "name",
    ])
    func unusableJobIsMalformed(part: String) throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        switch part {
        case "run": job.runID = ""
        case "host": job.lease.host = "a\0b"
        case "address": job.lease.endpoint.address = ""
        case "user": job.lease.endpoint.user = ""
        case "port": job.lease.endpoint.port = 70_000
        case "steps": job.task.steps = []
        case "action": job.task.steps = [WireStep()]
        case "NUL": job.task.steps = [.with { $0.run = "a\0b" }]
        default: job.task.environment = [.with { $0.name = "A B" }]
        }
        let worker = try WorkerRun(job)
        #expect(worker.exitStatus() == WorkerExit.malformed)
    }

    @Test(
        arguments: [
            [99, 0, 0, 0, 0], [2, 0, 0, 0, 1, 0], [1, 0xff, 0xff, 0xff, 0xff], [2, 0, 0, 0, 0], [17, 0, 0, 0, 0],
            [1, 0, 0, 0, 0],
        ] as [[UInt8]]
    )
    func otherFramesAreMalformed(bytes: [UInt8]) throws {
        let server = try WorkerTestServer()
        var job = try server.job("true")
        let listener = try WorkerTestServer.listenOnFreePort()
        defer { close(listener.fd) }
        job.lease.endpoint.port = UInt32(listener.port)
        let worker = try WorkerRun(job)
        worker.sendRaw(bytes)
        #expect(worker.exitStatus() == WorkerExit.malformed)
    }
}
