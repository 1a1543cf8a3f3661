import Foundation
import Glibc
import Scheduling
import WireProtocol
import ZeroMQ

extension RunEngine {
    /// One agent of the run and whatever process stands for it now.
    struct LocalAgent {
        let name: String
        var process: LocalAgentProcess?
        var connection: AgentConnection?
        /// While it is being opened: until when.
        var openBy: Instant?
        /// How many processes were started for it.
        var starts = 0
        /// Slots that its machine carries, once it has said so.
        var slots = 0
        /// The scheduler has been told that it is open.
        var isAnnounced = false
        /// The run is open on it.
        var isOpen = false
        /// What it still runs of an earlier coordinator's grants.
        var holding: [Lease] = []
    }

    // MARK: Opening

    /// Starts all agents and opens the run on each.
    func openAgents() throws {
        for index in 0..<configuration.agentCount {
            agents.append(LocalAgent(name: "a\(index + 1)"))
            try start(AgentID(index))
        }
        while openingProblems.isEmpty, !agents.allSatisfy(\.isOpen) { try turn(upTo: nil) }
        // The others may have something to say too: one more look, so that all problems are shown together.
        if !openingProblems.isEmpty {
            try turn(upTo: BootClock.now)
            throw CoordinatorError(.agent, openingProblems.joined(separator: "\n"))
        }
        description.poolSize = min(plan.poolSize, agents.map(\.slots).max() ?? 1)
        description.bubble = min(plan.bubble, agents.map { min($0.slots, plan.poolSize) }.reduce(0, +))
    }

    func start(_ id: AgentID) throws {
        let agent = agents[id.index]
        let path = "\(socketFolder)/\(agent.name).\(agent.starts)"
        let process = try LocalAgentProcess(
            program: configuration.agentProgram,
            name: agent.name,
            socketPath: path
        )
        let socket = try ZeroMQSocket(
            .dealer,
            context: context,
            messageLimit: LinkLimit.frame,
            queueLimit: LinkLimit.unacknowledged
        )
        try socket.connect("ipc://\(path)")
        let connection = AgentConnection(
            socket: socket,
            runID: journal.runID,
            epoch: journal.epoch,
            callNumber: UInt64(agent.starts + 1)
        )
        try connection.sendHello()
        agents[id.index].process = process
        agents[id.index].connection = connection
        agents[id.index].starts += 1
        agents[id.index].isOpen = false
        agents[id.index].isAnnounced = false
        agents[id.index].openBy = BootClock.now.advanced(by: Self.openingLimit)
    }

    private func greet(_ id: AgentID, _ reply: WireHelloReply) {
        let carried = max(1, Int(reply.poolLimit))
        agents[id.index].slots = min(carried, plan.poolSize)
        if carried < plan.poolSize {
            show(
                presenter.notice(
                    .message(
                        "\(agents[id.index].name): the pool is \(carried) and not \(plan.poolSize): "
                            + "\(Printable.line(reply.poolLimitReason, limit: 200)) carry no more",
                        isWarning: true
                    )
                )
            )
        }
        agents[id.index].connection?.send(
            .openRun(
                .with {
                    $0.tasks = plan.tasks.map { $0.wire(keepGoing: plan.warnOnly) }
                    $0.poolSize = UInt32(plan.poolSize < carried ? plan.poolSize : carried)
                    $0.grantAgeMilliseconds = UInt64(configuration.grantAge / .milliseconds(1))
                    $0.creditWindow = UInt64(LinkLimit.creditWindow)
                    $0.silenceMilliseconds = UInt64(configuration.policy.agentSilence / .milliseconds(1))
                }
            )
        )
    }

    /// Tells the scheduler about an agent on which the run is open.
    func announce(_ id: AgentID) throws {
        guard let connection = agents[id.index].connection, agents[id.index].isOpen else { return }
        agents[id.index].isAnnounced = true
        try handle(
            .agentOpened(
                id,
                Incarnation(connection.incarnation),
                slots: agents[id.index].slots,
                holding: agents[id.index].holding
            )
        )
    }

    private func opened(_ id: AgentID, _ answer: WireRunOpened) throws {
        guard answer.problems.isEmpty else {
            let problems = answer.problems.map { Printable.line($0, limit: 500) }.joined(separator: "; ")
            return try fail(id, "can't open the run: \(problems)")
        }
        agents[id.index].isOpen = true
        agents[id.index].openBy = nil
        configuration.logger.debug(
            "the run is open on an agent",
            metadata: ["agent": "\(agents[id.index].name)", "slots": "\(agents[id.index].slots)"]
        )
        if runStart.nanoseconds > 0 { try announce(id) }
    }

    /// An agent that could not be opened, or went away.
    private func fail(_ id: AgentID, _ why: String) throws {
        let message = "agent \(agents[id.index].name): \(why)"
        guard runStart.nanoseconds > 0 else {
            openingProblems.append(message)
            agents[id.index].openBy = nil
            return
        }
        if hasFinished { return }
        show(presenter.notice(.message(message, isWarning: true)))
        try handle(.agentLost(id))
    }

    // MARK: Listening

    func receive(from id: AgentID) throws {
        while let connection = agents[id.index].connection, let incoming = try connection.receive() {
            if agents[id.index].isAnnounced {
                try handle(.agentHeard(id, Incarnation(connection.incarnation)))
            }
            switch incoming {
            case .greeted(let reply): greet(id, reply)
            case .versionMismatch(let reply):
                try fail(
                    id,
                    "it speaks protocol version \(reply.protocolVersion) "
                        + "(coord-agent \(Printable.line(reply.softwareVersion, limit: 40))), and this is version "
                        + "\(ProtocolVersion.current) (coord \(ProtocolVersion.software)); install both from one release"
                )
            case .heard: continue
            case .message(let body, let payload): try accept(body, payload: payload, from: id, connection)
            }
        }
    }

    private func accept(
        _ body: WireFromAgent.OneOf_Body,
        payload: [UInt8],
        from id: AgentID,
        _ connection: AgentConnection
    ) throws {
        func lease(_ entry: UInt32, _ attempt: UInt32) -> Lease {
            Lease(
                entry: EntryID(Int(entry)),
                attempt: Attempt(attempt),
                agent: id,
                incarnation: Incarnation(connection.incarnation)
            )
        }
        switch body {
        case .runOpened(let answer):
            agents[id.index].holding = answer.holding.map { lease($0.entry, $0.attempt) }
            try opened(id, answer)
        case .claim(let claim): try handle(.hostClaimed(lease(claim.entry, claim.attempt)))
        case .output(let output): take(output, payload, lease(output.entry, output.attempt))
        case .finished(let finished):
            try finish(lease(finished.entry, finished.attempt), finished.result)
        case .returned(let returned):
            let lease = lease(returned.entry, returned.attempt)
            if plan.entries.indices.contains(lease.entry.index) {
                returnReasons[lease.entry.index] = Printable.line(returned.reason, limit: 500)
            }
            let cause: Scheduler.ReturnCause =
                switch returned.cause {
                case .revoked: .revoked
                case .busy: .busy
                case .setback, .UNRECOGNIZED: .setback
                }
            try handle(.hostReturned(lease, cause))
        case .fault(let fault): try fail(id, Printable.line(fault.message, limit: 500))
        case .helloReply, .pong: break  // the connection deals with these
        }
    }

    private func finish(_ lease: Lease, _ result: WireResult) throws {
        guard plan.entries.indices.contains(lease.entry.index) else { return }
        // An outcome that makes no sense says only that the end is not known.
        let outcome = result.outcome.outcome ?? .lost
        reported[lease.entry.index] = result
        defer { reported[lease.entry.index] = nil }
        try handle(.hostFinished(lease, outcome))
    }

    private func take(_ output: WireOutput, _ bytes: [UInt8], _ lease: Lease) {
        guard scheduler.takesOutput(of: lease), bytes.count <= WorkerFrame.outputLimit else {
            return outputLedger.credit(lease, count: bytes.count)
        }
        let stream: HostStream = output.stream == .stderr ? .stderr : .stdout
        let chunk = outputLedger.open(lease, count: bytes.count)
        recorder.submit(
            .output(entry: lease.entry.index, attempt: lease.attempt, stream: stream, bytes: bytes, chunk: chunk)
        )
        show(presenter.output(entry: lease.entry.index, stream: stream, bytes: bytes), chunk: chunk)
    }

    func sendCredit() throws {
        var byAgent: [[WireHostCredit]] = Array(repeating: [], count: agents.count)
        for (lease, count) in outputLedger.takeDue() {
            guard agents[lease.agent.index].connection?.incarnation == lease.incarnation.rawValue else { continue }
            byAgent[lease.agent.index].append(
                .with {
                    $0.entry = UInt32(lease.entry.index)
                    $0.attempt = lease.attempt.number
                    $0.bytes = UInt64(count)
                }
            )
        }
        for (index, hosts) in byAgent.enumerated() where !hosts.isEmpty {
            agents[index].connection?.send(.credit(.with { $0.hosts = hosts }))
        }
    }

    // MARK: Watching and ending

    func checkProcess(of id: AgentID) throws {
        let agent = agents[id.index]
        if let openBy = agent.openBy, BootClock.now >= openBy {
            return try fail(id, "it did not open the run within \(Self.openingLimit.components.seconds) s")
        }
        if agent.isAnnounced, agent.connection?.isFull ?? false {
            return try fail(id, "it acknowledges nothing")
        }
        if let process = agent.process, agent.connection != nil, !process.isRunning {
            // Its lifeline would be readable for ever.
            process.letGo()
            try fail(id, "its process has ended")
            agents[id.index].openBy = nil
        }
    }

    /// Ends an agent whose loop does not answer or whose pool is gone. Its workers see it and end by themselves.
    func abandon(_ id: AgentID) {
        if let process = agents[id.index].process {
            process.kill()
            departing.append(process)
        }
        if let connection = agents[id.index].connection {
            configuration.logger.info(
                "an agent is let go",
                metadata: [
                    "agent": "\(agents[id.index].name)", "incarnation": "\(connection.incarnation)",
                    "refused messages": "\(connection.refusedCount)",
                ]
            )
            connection.socket.close()
        }
        agents[id.index].connection = nil
        agents[id.index].process = nil
        agents[id.index].isOpen = false
        agents[id.index].isAnnounced = false
        agents[id.index].openBy = nil
    }

    func closeAgent(_ id: AgentID) {
        agents[id.index].connection?.send(.closeRun(WireCloseRun()))
    }
}

extension RunPlan.Task {
    fileprivate func wire(keepGoing: Bool) -> WireTask {
        .with {
            $0.name = name
            $0.steps = steps.map { step in
                switch step {
                case .run(let command): .with { $0.run = command }
                }
            }
            $0.poolSize = UInt32(shape.poolSize)
            $0.timeoutMilliseconds = timeout.map { UInt64($0 / .milliseconds(1)) } ?? 0
            $0.keepGoing = keepGoing
            $0.environment = environment.map { variable in
                .with {
                    $0.name = variable.name
                    $0.value = variable.value
                }
            }
        }
    }
}
