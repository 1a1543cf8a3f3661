import Coordfile
import Coordinator
import Foundation
import Glibc
import HostSets

/// From flags and files to a plan: everything that can be wrong with the input is found here, before anything starts.
struct Preparation {
    /// A run that can begin.
    struct Prepared {
        let plan: RunPlan
        let resolver: EndpointResolver
    }

    private let flags: RunCommand

    init(_ flags: RunCommand) { self.flags = flags }

    /// - Returns: nil when there was nothing to run (`-l`).
    /// - Throws: ``UsageError`` or a `CoordinatorError` (`usage`).
    func prepare() throws -> Prepared? {
        let isCommand = flags.command != nil
        try checkWords()
        let file = try flags.taskFile.load(isNeeded: !isCommand)
        if flags.list {
            if let file { ListCommand.list(file) }
            return nil
        }
        let options = try connectionOptions()
        let plan = try plan(file: file, isCommand: isCommand)
        let resolver = try EndpointResolver(options: options, file: file, plan: plan)
        for problem in resolver.problems.prefix(20) { warn(problem) }
        if options.hostKeyPolicy == .off {
            warn("StrictHostKeyChecking=no: unknown host keys are NOT checked, whoever answers is believed")
        }
        return Prepared(plan: plan, resolver: resolver)
    }

    private func checkWords() throws {
        if flags.command != nil, !flags.tasks.isEmpty {
            throw UsageError(
                message: "a task and a command: '\(flags.tasks.joined(separator: " "))' stands before '--'; "
                    + "run one or the other"
            )
        }
        if flags.command == nil, flags.tasks.isEmpty, !flags.list {
            throw UsageError(
                message: "no task is named; 'coord list' shows them, 'coord run -H HOSTS -- COMMAND' needs none"
            )
        }
        if let word = flags.tasks.first(where: { $0.contains(":") }) {
            throw UsageError(
                message:
                    "'\(Printable.line(word, limit: 100))': arguments of tasks are not supported by this version yet"
            )
        }
        if flags.outdir == "" { throw UsageError(message: "--outdir is empty; name a folder") }
        if flags.quiet, flags.verbose { throw UsageError(message: "-q and -v contradict each other; leave one out") }
        if let command = flags.command, command.allSatisfy(\.isWhitespace) {
            throw UsageError(message: "the command behind '--' is empty")
        }
    }

    private func connectionOptions() throws -> ConnectionOptions {
        var options = ConnectionOptions()
        options.user = try flags.user.map(checkedUser)
        options.port = flags.port
        if let port = flags.port, !(1...65535).contains(port) {
            throw UsageError(message: "-p \(port): a port is a number from 1 to 65535")
        }
        options.identityFiles = flags.identity.map(ConnectionOptions.absolute)
        options.connectTimeout = try duration(flags.timeout, flag: "-t")
        try options.takeAll(flags.options)
        if let user = options.user { options.user = try checkedUser(user) }
        return options
    }

    /// A user's name is held to the rules of one that is written with a host.
    private func checkedUser(_ user: String) throws -> String {
        do {
            return try HostAddress(parsing: "\(user)@host").user ?? user
        } catch {
            throw UsageError(message: "-u \(Printable.line(user, limit: 60)): this is no user's name")
        }
    }

    private func duration(_ text: String?, flag: String) throws -> Duration? {
        guard let text else { return nil }
        do {
            return try parseDuration(text)
        } catch {
            throw UsageError(message: "\(flag): \(error)")
        }
    }

    private func plan(file: Coordfile?, isCommand: Bool) throws -> RunPlan {
        let commandTimeout = try duration(flags.commandTimeout, flag: "-T")
        let selection = try flags.selectionOptions.selection()
        let modeFlags = ModeFlags(
            parallel: flags.parallel,
            sequential: flags.sequential,
            poolSize: flags.poolSize,
            agents: flags.agents,
            isCommand: isCommand
        )
        var plan = RunPlan(warnOnly: flags.warnOnly)
        do {
            for task in try definitions(file: file) {
                let hosts = try resolveHosts(task: isCommand ? nil : task, file: file, selection: selection)
                let shape = try resolveShape(
                    task: isCommand ? nil : task,
                    file: file,
                    flags: modeFlags,
                    hostCount: hosts.count
                )
                plan.add(
                    task,
                    on: hosts,
                    shape: shape,
                    timeout: task.timeout ?? commandTimeout ?? (isCommand ? nil : file?.defaults.timeout)
                )
            }
        } catch let error as PlanningError {
            throw UsageError(message: error.description)
        } catch let error as CoordfileError {
            throw UsageError(message: error.description)
        }
        guard plan.entries.count <= Coordfile.mostHosts else {
            throw UsageError(message: "\(plan.entries.count) hosts over all tasks; a run takes \(Coordfile.mostHosts)")
        }
        return plan
    }

    private func definitions(file: Coordfile?) throws -> [TaskDefinition] {
        if let command = flags.command { return [TaskDefinition(name: "command", steps: [.run(command)])] }
        guard let file else { return [] }
        return try flags.tasks.map { try file.task(named: $0) }
    }

    private func warn(_ message: String) {
        FileHandle.standardError.write(Data("coord: \(message)\n".utf8))
    }
}
