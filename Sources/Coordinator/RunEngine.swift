// The coordinator's event loop: receive → handle (Scheduling) → journal → perform, in that order. It decides nothing
// about hosts and speaks no SSH. What can be slow stands on threads of its own (recorder, printers), and the loop never
// waits for them: output that they have not dealt with is not credited to its host yet, so a slow disk or a stopped
// pager holds back the hosts' output and nothing else.
//
//     open     start the agents, greet them, open the run on each; a problem ends the run before any connection
//     run      until the scheduler says `finishRun`: every entry has its outcome
//     close    tell the agents, wait (bounded) until no process of theirs is left, finish journal and printing

import Foundation
import Glibc
import Logging
import Scheduling
import WireProtocol
import ZeroMQ

/// Carries out one run. Used once, on one thread.
public final class RunEngine {
    /// What a run needs besides its plan.
    public struct Configuration: Sendable {
        /// The `coord-agent` program.
        public var agentProgram: String
        /// How many local agents.
        public var agentCount: Int
        /// Where the journal goes.
        public var stateFolder = StateFolder.standard
        /// `--outdir`, nil: none.
        public var outputFolder: String?
        /// Bytes of each stream that the journal keeps.
        public var outputLimit = RunJournal.defaultOutputLimit
        /// A worker refuses a grant that is older than this.
        public var grantAge = Duration.seconds(10)
        /// Times and limits of the scheduler.
        public var policy = SchedulingPlan.Policy()
        /// Readable for each Ctrl-C: one byte.
        public var interruptDescriptor: Int32?
        /// Told what goes on inside, for people who look for a fault; what users should know goes to the presenter.
        public var logger = Logger(label: "coord")

        /// The defaults around a program and a number of agents.
        public init(agentProgram: String, agentCount: Int) {
            self.agentProgram = agentProgram
            self.agentCount = agentCount
        }
    }

    /// An agent has this long to listen, answer and open the run.
    static let openingLimit = Duration.seconds(15)
    /// After the second Ctrl-C: how long output may wait for its reader.
    static let stuckPrinting = Duration.seconds(1)
    /// How long the agents' processes may take to end by themselves: longer than an agent's own grace.
    static let closingLimit = Duration.seconds(30)

    let plan: RunPlan
    let resolver: EndpointResolver
    let configuration: Configuration
    let presenter: any RunPresenter
    let journal: RunJournal
    let startedAt: Date
    let context: ZeroMQContext
    let recorder: SerialThread<RecorderJob, RecorderCompletion>
    let stdoutPrinter: SerialThread<Printer.Job, Printer.Completion>
    let stderrPrinter: SerialThread<Printer.Job, Printer.Completion>
    let socketFolder: String

    var scheduler: Scheduler
    var agents: [LocalAgent] = []
    /// Processes of agents that were let go.
    var departing: [LocalAgentProcess] = []
    var timers: [(timer: Scheduler.Timer, at: Instant)] = []
    var results: [HostResult?]
    var reported: [Int: WireResult] = [:]
    /// Why entries came back unstarted the last time.
    var returnReasons: [Int: String] = [:]
    var phaseStart = Instant(nanoseconds: 0)
    var runStart = Instant(nanoseconds: 0)
    var runEnd = Instant(nanoseconds: 0)
    var outputLedger = OutputLedger()
    var interruptCount = 0
    var lastPrinted = Instant(nanoseconds: 0)
    var isPrintingAbandoned = false
    var printFailure: String?
    var journalFailure: String?
    var hasFinished = false
    var openingProblems: [String] = []
    var description: RunDescription

    /// Makes the journal and the threads; starts no agent yet.
    ///
    /// - Throws: ``CoordinatorError``.
    public init(
        plan: RunPlan,
        resolver: EndpointResolver,
        configuration: Configuration,
        presenter: any RunPresenter
    ) throws(CoordinatorError) {
        self.plan = plan
        self.resolver = resolver
        self.configuration = configuration
        self.presenter = presenter
        startedAt = Date()
        let runID = RunID.make(at: startedAt)
        // Before the journal: bad input leaves nothing behind.
        var outputFiles: OutputFolder?
        if let folder = configuration.outputFolder { outputFiles = try OutputFolder(path: folder, plan: plan) }
        journal = try RunJournal.create(
            runID: runID,
            plan: plan,
            startedAt: startedAt,
            in: configuration.stateFolder
        )
        recorder = try Recorder.start(
            journal: journal,
            outputFiles: outputFiles,
            outputLimit: configuration.outputLimit
        )
        stdoutPrinter = try Printer.start(name: "standard output", descriptor: STDOUT_FILENO)
        stderrPrinter = try Printer.start(name: "standard error", descriptor: STDERR_FILENO)
        socketFolder = try SocketFolder.make()
        do {
            context = try ZeroMQContext()
        } catch {
            throw CoordinatorError(.outOfResources, "\(error)")
        }
        var schedulingPlan = plan.schedulingPlan(agentCount: configuration.agentCount)
        schedulingPlan.policy = configuration.policy
        scheduler = Scheduler(plan: schedulingPlan)
        results = Array(repeating: nil, count: plan.entries.count)
        description = RunDescription(
            id: runID,
            tasks: plan.tasks.map(\.name),
            startedAt: startedAt,
            agents: configuration.agentCount,
            poolSize: plan.poolSize,
            bubble: plan.bubble,
            hosts: plan.entries.count
        )
    }

    /// Carries the run out.
    ///
    /// - Returns: once every entry has its outcome and no process of an agent is left.
    /// - Throws: ``CoordinatorError`` when an agent can't be opened: nothing has connected to a host then.
    public func run() throws(CoordinatorError) -> RunReport {
        do {
            configuration.logger.debug(
                "the journal is open",
                metadata: ["run": "\(journal.runID)", "path": "\(journal.path)"]
            )
            try openAgents()
            show(presenter.runStarted(description))
            runStart = BootClock.now
            for index in agents.indices { try announce(AgentID(index)) }
            try handle(.started)
            for _ in 0..<interruptCount { try handle(.interrupted) }
            while !hasFinished { try turn(upTo: nil) }
            runEnd = BootClock.now
            try close()
            configuration.logger.debug("the run is closed", metadata: ["run": "\(journal.runID)"])
        } catch let error as CoordinatorError {
            abandonEverything()
            throw error
        } catch {
            abandonEverything()
            throw CoordinatorError(.internal, "\(error)")
        }
        return RunReport(
            description: description,
            seconds: Double(runEnd.nanoseconds - runStart.nanoseconds) / 1e9,
            results: results.enumerated().map { index, result in result ?? lostResult(of: index) },
            wasInterrupted: interruptCount > 0,
            warnOnly: plan.warnOnly,
            journalFailure: journalFailure,
            printFailure: printFailure,
            journal: journal
        )
    }

    // MARK: The loop

    /// One turn: waits for something to happen, at most until `limit`, and deals with it.
    func turn(upTo limit: Instant?) throws {
        try sendCredit()
        for agent in agents { try agent.connection?.flush() }
        var members: [ZeroMQPoller.Member] = [
            .readable(recorder.descriptor), .readable(stdoutPrinter.descriptor), .readable(stderrPrinter.descriptor),
        ]
        let interrupts = configuration.interruptDescriptor
        if let interrupts { members.append(.readable(interrupts)) }
        for agent in agents {
            if let connection = agent.connection { members.append(.socket(connection.socket)) }
            if let process = agent.process, process.lifeline >= 0 { members.append(.readable(process.lifeline)) }
        }
        _ = try ZeroMQPoller.wait(for: members, timeoutMilliseconds: pause(upTo: limit))
        // Messages before timers: after a stop of this process the agents' answers count first.
        for index in agents.indices { try receive(from: AgentID(index)) }
        for index in agents.indices { try checkProcess(of: AgentID(index)) }
        try takeCompletions()
        if let interrupts { try takeInterrupts(from: interrupts) }
        try fireTimers()
        departing.removeAll { $0.isGone }
    }

    private func pause(upTo limit: Instant?) -> Int {
        let now = BootClock.now
        var next = now.advanced(by: .milliseconds(500))
        for timer in timers { next = min(next, timer.at) }
        for agent in agents { if let deadline = agent.openBy { next = min(next, deadline) } }
        if let limit { next = min(next, limit) }
        if !departing.isEmpty { next = min(next, now.advanced(by: .milliseconds(20))) }
        return max(0, Int((next.nanoseconds - now.nanoseconds + 999_999) / 1_000_000))
    }

    private func fireTimers() throws {
        let now = BootClock.now
        while let index = timers.indices.first(where: { timers[$0].at <= now }) {
            let timer = timers.remove(at: index).timer
            try handle(.timerFired(timer))
        }
    }

    private func takeInterrupts(from descriptor: Int32) throws {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return }
        for _ in 0..<count {
            interruptCount += 1
            show(presenter.notice(.interrupted(count: interruptCount, running: scheduler.runningCount)))
            if runStart.nanoseconds > 0 { try handle(.interrupted) }
        }
    }

    private func takeCompletions() throws {
        var granted: [Lease] = []
        for completion in recorder.takeCompletions() {
            switch completion {
            case .granted(let leases): granted += leases
            case .consumed(let chunk): outputLedger.written(chunk)
            case .finished(let result, let output): show(presenter.hostFinished(result, output: output))
            case .unrecorded(let result): showUnrecorded(result)
            case .notice(let message): show(presenter.notice(.message(message, isWarning: true)))
            case .failed(let message):
                journalFailure = message
                show(
                    presenter.notice(
                        .message(
                            "\(message): nothing more is started; make room, then run the rest again",
                            isWarning: true
                        )
                    )
                )
                try handle(.journalFailed)
            }
        }
        if !granted.isEmpty { try handle(.grantsJournalled(granted)) }
        for printer in [stdoutPrinter, stderrPrinter] {
            for completion in printer.takeCompletions() {
                switch completion {
                case .printed(let chunk):
                    outputLedger.printed(chunk)
                    lastPrinted = BootClock.now
                case .failed(let reason):
                    printFailure = reason
                    show(presenter.notice(.message("\(reason): the rest is not printed", isWarning: true)))
                }
            }
        }
        abandonPrintingIfStuck()
    }

    /// Once the user has said twice that it is to end, output that nobody takes (a stopped pager) holds nothing up.
    private func abandonPrintingIfStuck() {
        if outputLedger.unprintedCount == 0 { lastPrinted = BootClock.now }
        let stuck = BootClock.now.duration(since: lastPrinted)
        guard interruptCount >= 2, !isPrintingAbandoned, stuck > Self.stuckPrinting else { return }
        isPrintingAbandoned = true
        outputLedger.abandonPrinting()
    }

    /// What is not written down is not known to the next who looks: an `ok` among it would be a false one.
    private func showUnrecorded(_ result: HostResult) {
        var result = result
        result.outputIncomplete = true
        if result.outcome == .ok {
            result.outcome = .lost
            result.message = "it ended well, but that could not be written down: \(journalFailure ?? "no reason known")"
            results[result.entry] = result
        }
        show(presenter.hostFinished(result, output: nil))
    }

    /// Prints; `chunk` is the output that waits for it.
    func show(_ rendered: Rendered, chunk: UInt64? = nil) {
        if chunk != nil, isPrintingAbandoned { return }
        for (bytes, printer) in [(rendered.stdout, stdoutPrinter), (rendered.stderr, stderrPrinter)]
        where !bytes.isEmpty {
            if let chunk { outputLedger.waitForPrinting(of: chunk) }
            printer.submit(Printer.Job(bytes: bytes, chunk: chunk))
        }
    }

    // MARK: The end

    /// Lets the agents go, and waits until nothing of them is left and everything is written and printed.
    private func close() throws {
        for index in agents.indices { closeAgent(AgentID(index)) }
        recorder.submit(.end(Date()))
        recorder.close()
        let limit = BootClock.now.advanced(by: Self.closingLimit)
        while !(agents.allSatisfy { $0.process == nil } && departing.isEmpty && recorder.hasEnded) {
            if BootClock.now >= limit {
                show(
                    presenter.notice(
                        .message("an agent did not end in time; its processes were left behind", isWarning: true)
                    )
                )
                for agent in agents { agent.process?.kill() }
                break
            }
            try turn(upTo: limit)
            for index in agents.indices where agents[index].process?.isGone ?? false { agents[index].process = nil }
        }
        try takeCompletions()
        try finishPrinting()
        SocketFolder.remove(socketFolder)
    }

    /// A pager may be read at leisure: this waits as long as it takes, or until the user presses Ctrl-C once more.
    private func finishPrinting() throws {
        let interruptsBefore = interruptCount
        for printer in [stdoutPrinter, stderrPrinter] {
            printer.close()
            while !printer.hasEnded, interruptCount == interruptsBefore, !isPrintingAbandoned { try turn(upTo: nil) }
        }
    }

    private func abandonEverything() {
        for index in agents.indices {
            agents[index].process?.letGo()
            agents[index].connection = nil
        }
        let limit = BootClock.now.advanced(by: Self.openingLimit)
        while agents.contains(where: { !($0.process?.isGone ?? true) }), BootClock.now < limit { usleep(10_000) }
        for agent in agents { agent.process?.kill() }
        recorder.close()
        stdoutPrinter.close()
        stderrPrinter.close()
        SocketFolder.remove(socketFolder)
    }
}

/// CLOCK_BOOTTIME: never set back, and counts the time that the machine was suspended.
enum BootClock {
    /// Now.
    static var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

/// Names of runs: `20101124-081530-3f9a`, UTC and four random digits; sorts by time.
enum RunID {
    static func make(at date: Date) -> String {
        let digits = Timestamp.text(of: date).prefix(19).filter { $0 != "-" && $0 != ":" }
        let random = String(UInt16.random(in: .min ... .max), radix: 16)
        return digits.replacing("T", with: "-") + "-" + String(repeating: "0", count: 4 - random.count) + random
    }
}

/// The folder of the agents' sockets: mode 0700, short enough for sockaddr_un.
enum SocketFolder {
    /// - Throws: ``CoordinatorError`` (`outOfResources`).
    static func make() throws(CoordinatorError) -> String {
        let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"] ?? ""
        let isUsable = runtime.hasPrefix("/") && runtime.utf8.count < 60 && access(runtime, W_OK | X_OK) == 0
        var template = Array("\(isUsable ? runtime : "/tmp")/coord-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw CoordinatorError(.outOfResources, "a folder for the agents' sockets", errno: errno)
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes the folder and the sockets in it.
    static func remove(_ path: String) {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            // Gone already, or taken away by somebody else: there is nothing to keep.
        }
    }
}
