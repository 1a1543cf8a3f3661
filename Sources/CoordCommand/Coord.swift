import ArgumentParser
import Coordinator
import Foundation
import Glibc
import Logging

/// The program.
@main
struct Coord: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coord",
        abstract: "Run tasks on thousands of hosts over SSH, in bounded pools of workers, across several agents.",
        discussion: """
            coord run poke --agents 4 -z 20      a task of Coordfile.yaml
            coord run -H 'web[01-40]' -- uptime  one command, no file needed
            coord help exit-codes                what the exit status means
            """,
        version: "coord 0.1.0",
        subcommands: [RunCommand.self, ListCommand.self, HostsCommand.self, SandboxCommand.self]
    )

    /// Parses, runs, and maps every error to the statuses of `coord help exit-codes`.
    static func main() {
        // A reader that is gone must not end a run: `| head`.
        signal(SIGPIPE, SIG_IGN)
        LoggingSystem.bootstrap { label in StreamLogHandler.standardError(label: label) }
        let words = Array(CommandLine.arguments.dropFirst())
        if words == ["help", "exit-codes"] {
            print(ExitCodes.text)
            Foundation.exit(0)
        }
        do {
            var command = try parseAsRoot(RunCommand.handingOverCommand(words))
            try command.run()
        } catch {
            Foundation.exit(ExitCodes.report(error))
        }
    }
}

/// The exit statuses of `coord`.
enum ExitCodes {
    static let usage: Int32 = 2
    static let internalError: Int32 = 4

    static let text = """
        coord's exit status:

          0    every host ok (with -w also when steps failed)
          1    some host failed, timed out, or was signalled
          2    usage or task-file error; nothing was started
          3    no failures, but some hosts never ran or their end is unknown
               (unreachable, refused, lost, skipped)
          4    an error of coord itself, or of the machine it runs on
          130  cancelled by Ctrl-C
        """

    /// Says what went wrong on standard error (help and version on standard output), and which status it is.
    static func report(_ error: any Error) -> Int32 {
        switch error {
        case let exit as ExitCode: return exit.rawValue
        case let error as CoordinatorError:
            complain(error.message)
            return error.code == .usage ? usage : internalError
        case let error as UsageError:
            complain(error.message)
            return usage
        case let error as SandboxError:
            complain("\(error)")
            switch error.code {
            case .hostCount, .folder, .owner, .settings, .missingProgram: return usage
            case .busy, .programFailed, .noServer, .stillRunning, .file: return internalError
            }
        default: break
        }
        let text = Coord.fullMessage(for: error)
        if Coord.exitCode(for: error).isSuccess {
            print(text)
            return 0
        }
        FileHandle.standardError.write(Data((text + "\n").utf8))
        return usage
    }

    private static func complain(_ message: String) {
        for line in message.split(separator: "\n") {
            FileHandle.standardError.write(Data("coord: \(line)\n".utf8))
        }
    }
}

/// What the user asked for makes no sense; nothing was started.
struct UsageError: Error {
    /// What is wrong and what to do, in lines.
    let message: String
}
