import SSH
import WireProtocol

// The steps, one after another, each in a channel of its own. An exit status counts only when the server's packet was
// seen: libssh2 says 0 also for a command of which nobody knows how it ended.
//
// | seen                                    | the step                                   |
// |-----------------------------------------|--------------------------------------------|
// | status, end of file                     | ended with that status                     |
// | status, then 2 s without end of file    | the same, and a process still holds output |
// | signal                                  | died by it                                 |
// | channel closed with neither             | lost                                       |
// | connection lost before the end of file  | lost, also when a status had come          |

extension WorkerBody {
    /// After the status: how long to wait for the end of the output.
    private static let graceMilliseconds: UInt64 = 2000

    /// How one step ended by itself.
    private enum StepEnd {
        case status(Int32)
        case signal(String)
    }

    /// Runs all steps, or throws how they were cut short.
    func runSteps(_ session: SSHSession) throws(WorkerEnd) -> WireResult {
        enter(.run)
        restartSilence()
        let timeout = job.task.timeoutMilliseconds
        taskDeadline = timeout > 0 ? clock.now().advanced(byMilliseconds: timeout) : nil
        var tally = StepTally(count: job.task.steps.count)
        for (index, step) in job.task.steps.enumerated() {
            switch try run(step, session, &tally) {
            case .status(0): continue
            case .status(let status): tally.fail(index, .failed, "exit status \(status)", status, "")
            case .signal(let name): tally.fail(index, .signalled, "signal \(name)", nil, name)
            }
            if !job.task.keepGoing { break }
        }
        var result = result(tally.outcome)
        tally.fill(&result, host: host)
        return result
    }

    private func run(_ step: WireStep, _ session: SSHSession, _ tally: inout StepTally) throws(WorkerEnd) -> StepEnd {
        let command = WorkerCommand(script: step.run, job: job)
        let channel = try started(session) { () throws(SSHError) in
            if let spare = spareChannel { return .done(spare) }
            return try session.openChannel()
        }
        spareChannel = nil
        try started(session) { () throws(SSHError) in try channel.exec(command.line) }
        return try follow(session, channel, command.input, &tally)
    }

    /// The answer of a call that starts something on the host.
    private func started<Value>(
        _ session: SSHSession,
        _ call: () throws(SSHError) -> SSHProgress<Value>
    ) throws(WorkerEnd) -> Value {
        while true {
            do throws(SSHError) {
                switch try call() {
                case .done(let value): return value
                case .wouldBlock: break
                }
            } catch {
                if session.connectionLoss != nil { throw lost("\(host): \(error)") }
                throw end(.failed, "\(host) did not carry out the command: \(error)")
            }
            try checkInterruptions(session)
            wait(for: session, until: earlier(taskDeadline, silenceDeadline(session)))
        }
    }

    // MARK: One step's output

    private func follow(
        _ session: SSHSession,
        _ channel: SSHChannel,
        _ input: [UInt8],
        _ tally: inout StepTally
    ) throws(WorkerEnd) -> StepEnd {
        var feed = StepInput(input)
        var graceDeadline: WorkerInstant?
        while true {
            let hadRoom = link.hasRoom
            let received = session.receivedByteCount
            let hasOutput = try passOutput(session, channel)
            let hasInput = try passInput(session, channel, &feed)
            // Reads what is there, so before the status is looked at: it may come after the end of file.
            let isClosed = channel.isClosedByServer
            let moved = hasOutput || hasInput || session.receivedByteCount != received
            if let end = stepEnd(channel) {
                if channel.isAtEnd { return end }
                let deadline = graceDeadline ?? clock.now().advanced(byMilliseconds: WorkerBody.graceMilliseconds)
                graceDeadline = deadline
                if clock.now() >= deadline, hadRoom {
                    tally.outputOpen = true
                    return end
                }
            } else if isClosed {
                throw lost("\(host) closed the channel without an exit status: how the command ended is not known")
            }
            if !moved, hadRoom, let loss = session.connectionLoss {
                let status = channel.exitStatus.map { " after exit status \($0) had come" } ?? ""
                throw lost("\(host): \(loss)\(status)", isOver: channel.exitStatus != nil)
            }
            try checkInterruptions(session)
            pause(session, moved: moved, graceDeadline: &graceDeadline)
        }
    }

    private func stepEnd(_ channel: SSHChannel) -> StepEnd? {
        if let signal = channel.exitSignal { return .signal(signal) }
        return channel.exitStatus.map { .status($0) }
    }

    /// Waits for the sockets. While the agent does not read, all that is measured stands still.
    private func pause(_ session: SSHSession, moved: Bool, graceDeadline: inout WorkerInstant?) {
        if link.hasRoom {
            let next = earlier(earlier(taskDeadline, graceDeadline), silenceDeadline(session))
            wait(for: session, until: moved ? clock.now() : next)
            return
        }
        let before = clock.now()
        wait(for: session, until: nil, reading: false)
        let blocked = clock.now().nanoseconds - before.nanoseconds
        taskDeadline?.nanoseconds += blocked
        graceDeadline?.nanoseconds += blocked
        restartSilence()
    }

    /// Passes on what came of both streams, a frame of each in turn; whether there was anything.
    func passOutput(_ session: SSHSession, _ channel: SSHChannel) throws(WorkerEnd) -> Bool {
        var moved = false
        for stream in SSHChannel.Stream.allCases where link.hasRoom {
            do throws(SSHError) {
                guard case .done(let count) = try channel.read(stream, into: scratch) else { continue }
                let kind = stream == .standardOutput ? WorkerFrameKind.stdout : .stderr
                link.send(kind, UnsafeRawBufferPointer(rebasing: scratch[..<count]))
                moved = true
            } catch {
                throw lost("\(host): \(error)", isOver: channel.exitStatus != nil)
            }
        }
        return moved
    }

    private func passInput(
        _ session: SSHSession,
        _ channel: SSHChannel,
        _ feed: inout StepInput
    ) throws(WorkerEnd) -> Bool {
        guard !feed.isEnded else { return false }
        do throws(SSHError) {
            return try feed.advance(channel)
        } catch {
            if session.connectionLoss != nil { return false }
            // The command does not want its input any more; how it ended is told by its status.
            feed.isEnded = true
            return false
        }
    }

    // MARK: Cut short

    /// Throws, after ending what runs: stopped, out of time, or nobody there to tell.
    private func checkInterruptions(_ session: SSHSession) throws(WorkerEnd) {
        if link.isClosed {
            _ = endRemote(session)
            throw .agentGone
        }
        if link.takeOrder() == .stop {
            throw cutShort(session, .cancelled, "cancelled")
        }
        if let deadline = taskDeadline, clock.now() >= deadline {
            let limit = seconds(Double(job.task.timeoutMilliseconds) / 1000)
            throw cutShort(session, .timedOut, "not done within \(limit)")
        }
        if let silence = checkSilence(session) {
            throw lost("\(host): no answer for \(silence) s")
        }
    }

    private func cutShort(_ session: SSHSession, _ outcome: WireOutcome, _ why: String) -> WorkerEnd {
        let leftover = endRemote(session)
        guard case .finished(var result) = end(outcome, "\(host): \(why)") else { return .agentGone }
        switch leftover {
        case nil: result.message += "; the command was ended"
        case .some(let reason):
            result.message += "; the command may still be running there: \(reason)"
            result.possiblyRunning = true
        }
        return .finished(result)
    }

    private func lost(_ message: String, isOver: Bool = false) -> WorkerEnd {
        guard case .finished(var result) = end(.lost, message) else { return .agentGone }
        result.outputIncomplete = true
        result.possiblyRunning = !isOver
        return .finished(result)
    }
}

/// What goes to a command's standard input, and its end.
private struct StepInput {
    private let bytes: [UInt8]
    private var position = 0
    /// Nothing more is sent.
    var isEnded = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Sends what the channel takes now; whether that was anything.
    mutating func advance(_ channel: SSHChannel) throws(SSHError) -> Bool {
        if position < bytes.count {
            guard case .done(let count) = try channel.write(bytes[position...]) else { return false }
            position += count
            return true
        }
        guard case .done = try channel.sendEndOfFile() else { return false }
        isEnded = true
        return true
    }
}

/// What the steps so far came to.
private struct StepTally {
    let count: Int
    var outputOpen = false
    private(set) var outcome = WireOutcome.ok
    private var failures = 0
    private var first = ""
    private var status: Int32?
    private var signal = ""

    init(count: Int) {
        self.count = count
    }

    /// The first failure is the one that is told.
    mutating func fail(_ index: Int, _ outcome: WireOutcome, _ text: String, _ status: Int32?, _ signal: String) {
        failures += 1
        guard failures == 1 else { return }
        self.outcome = outcome
        self.status = status
        self.signal = signal
        first = count == 1 ? text : "step \(index + 1) of \(count): \(text)"
    }

    func fill(_ result: inout WireResult, host: String) {
        result.failedSteps = UInt32(failures)
        result.outputOpen = outputOpen
        result.signal = signal
        if outcome == .ok { result.exitStatus = 0 }
        if let status { result.exitStatus = status }
        if failures > 0 { result.message = "\(host): \(first)" + (failures > 1 ? "; \(failures) steps failed" : "") }
    }
}
