import ArgumentParser
import Coordfile
import Coordinator
import Foundation
import Glibc
import HostSets
import Logging

/// `coord run`.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run tasks on hosts, in order; or one shell command: coord run -H HOSTS -- COMMAND.",
        discussion: """
            Each task finishes on all its hosts before the next begins. Without -P, -z, --agents and `mode: parallel` \
            a task runs on one host at a time, in the order listed; a command runs in parallel unless --sequential.
            """
    )

    @Argument(help: "Tasks of the task file.")
    var tasks: [String] = []

    /// One shell command, from behind `--`, after a colon. ArgumentParser takes no second list of arguments and no empty
    /// value, so `Coord.main` hands it over as this option.
    @Option(name: .customLong(RunCommand.commandOption), help: .hidden)
    var markedCommand: String?

    private static let commandOption = "command-behind-terminator"

    /// The command behind `--`, its words joined by blanks as ssh(1) does; nil when there is no `--`.
    var command: String? { markedCommand.map { String($0.dropFirst()) } }

    /// Turns `run FLAGS -- WORDS` into what the parser takes; other command lines stay as they are.
    static func handingOverCommand(_ words: [String]) -> [String] {
        guard words.first == configuration.commandName, let end = words.firstIndex(of: "--") else { return words }
        return words[..<end] + ["--\(commandOption)=:\(words[(end + 1)...].joined(separator: " "))"]
    }

    @Flag(name: [.customShort("l"), .long], help: "List the tasks and stop.")
    var list = false

    @OptionGroup(title: "Hosts and tasks") var taskFile: TaskFileOption
    @OptionGroup(title: "Hosts and tasks") var selectionOptions: SelectionOptions

    @Flag(name: [.customShort("P"), .long], help: "Run tasks in parallel where they don't say otherwise.")
    var parallel = false

    @Option(
        name: [.customShort("z", allowingJoined: true), .long],
        help: "Workers in each agent's pool; implies -P. Default: half the hosts."
    )
    var poolSize: Int?

    @Flag(help: "The opposite of -P, for tasks without a mode and for commands.")
    var sequential = false

    @Option(help: "Start so many local agents; implies -P. Default: 1.")
    var agents: Int?

    @Option(name: [.customShort("u", allowingJoined: true), .long], help: "The user to log in as.")
    var user: String?

    @Option(name: [.customShort("p", allowingJoined: true), .long], help: "The port to connect to.")
    var port: Int?

    @Option(
        name: [.customShort("i", allowingJoined: true), .long],
        help: ArgumentHelp("A private key. Repeatable.", valueName: "file")
    )
    var identity: [String] = []

    @Option(
        name: [.customShort("o", allowingJoined: true), .customLong("option")],
        help: ArgumentHelp(
            "An OpenSSH option: -o StrictHostKeyChecking=accept-new. Repeatable.",
            valueName: "key=value"
        )
    )
    var options: [String] = []

    @Option(
        name: [.customShort("t", allowingJoined: true), .long],
        help: ArgumentHelp("Connecting, login included, may take this long. Default: 10s.", valueName: "duration")
    )
    var timeout: String?

    @Option(
        name: [.customShort("T", allowingJoined: true), .long],
        help: ArgumentHelp("The task may take this long on one host. Default: no limit.", valueName: "duration")
    )
    var commandTimeout: String?

    @Flag(
        name: [.customShort("w"), .long],
        help: "A failing step does not stop the host's later steps, and the run exits 0."
    )
    var warnOnly = false

    @Flag(name: [.customShort("q"), .long], help: "No banner and no summary, only warnings and failures.")
    var quiet = false

    @Flag(name: [.customShort("v"), .long], help: "Also say how each host came out, and in which time.")
    var verbose = false

    @Option(help: "How results are shown.")
    var output = OutputFormat.lines

    @Option(help: ArgumentHelp("Each host's stdout and stderr in files below this folder, whole.", valueName: "dir"))
    var outdir: String?

    func run() throws {
        let prepared = try Preparation(self).prepare()
        guard let prepared else { return }
        let status = try carryOut(prepared)
        if status != 0 { throw ExitCode(status) }
    }

    private func carryOut(_ prepared: Preparation.Prepared) throws -> Int32 {
        let interrupts = try InterruptPipe.install()
        var configuration = RunEngine.Configuration(
            agentProgram: try AgentProgram.find(),
            agentCount: prepared.plan.agentCount
        )
        configuration.outputFolder = outdir.map(ConnectionOptions.absolute)
        configuration.interruptDescriptor = interrupts
        configuration.logger.logLevel = verbosity == .verbose ? .debug : .warning
        let presenter = output.presenter(plan: prepared.plan, verbosity: verbosity)
        let engine = try RunEngine(
            plan: prepared.plan,
            resolver: prepared.resolver,
            configuration: configuration,
            presenter: presenter
        )
        let report = try engine.run()
        InterruptPipe.uninstall()
        try presenter.present(report)
        return report.exitStatus
    }

    var verbosity: Verbosity { quiet ? .quiet : verbose ? .verbose : .normal }
}

/// How much is said on standard error.
enum Verbosity {
    /// Warnings and failures.
    case quiet
    /// And a banner and a summary.
    case normal
    /// And each host.
    case verbose
}

/// The values of `--output`.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case lines
    case quiet
    case json
    case ndjson

    /// What shows a run in this form.
    func presenter(plan: RunPlan, verbosity: Verbosity) -> any ReportPresenter {
        switch self {
        case .lines: LinesPresenter(plan: plan, verbosity: verbosity, showsOutput: true)
        case .quiet: LinesPresenter(plan: plan, verbosity: verbosity, showsOutput: false)
        case .json: JSONPresenter(verbosity: verbosity, isStream: false)
        case .ndjson: JSONPresenter(verbosity: verbosity, isStream: true)
        }
    }
}
