import Testing
import WireProtocol

@testable import Agent

/// What a step becomes on the host.
@Suite struct WorkerCommandTests {
    private func job(_ environment: [(String, String)] = []) -> WireWorkerJob {
        var job = WireWorkerJob()
        job.runID = "r1"
        job.task.name = "poke"
        job.lease.host = "web01"
        job.lease.entry = 4
        job.lease.attempt = 2
        job.lease.total = 5
        job.task.environment = environment.map { variable in
            .with {
                $0.name = variable.0
                $0.value = variable.1
            }
        }
        return job
    }

    private let words =
        "exec env COORD_RUN='r1' COORD_HOST='web01' COORD_INDEX='0' COORD_TOTAL='5' COORD_TASK='poke'"
        + " COORD_ENTRY='r1.4.2'"

    @Test(arguments: [
        ("true", "'true'"),
        ("echo 'a'", "'echo '\\''a'\\'''"),
        ("echo \"$(x)\" `y`", "'echo \"$(x)\" `y`'"),
        ("-rf", "'-rf'"),
        ("a\nb", "'s=$(printf %b \"$1\"); shift; eval \"unset s; $s\"' sh 'a\\0012b'"),
        ("a!\\'", "'s=$(printf %b \"$1\"); shift; eval \"unset s; $s\"' sh 'a\\0041\\0134'\\'''"),
    ])
    func scriptIsQuoted(script: String, expected: String) {
        let command = WorkerCommand(script: script, job: job())
        #expect(String(decoding: command.line, as: UTF8.self) == words + " /bin/sh -c " + expected)
        #expect(command.input.isEmpty)
    }

    @Test func valuesThatShellsReadDifferentlyMoveInside() {
        let command = WorkerCommand(script: "true", job: job([("A", "x y"), ("B", "it's\n"), ("C", "\\")]))
        let line = String(decoding: command.line, as: UTF8.self)
        #expect(line.contains(" A='x y' /bin/sh -c "))
        #expect(!line.contains("\n"))
        #expect(
            line.hasSuffix("'B='\\''it'\\''\\0134'\\'''\\''s\\0012'\\''; export B; C='\\''\\0134'\\''; export C; true'")
        )
    }

    @Test(arguments: [32_000 - 300, 40_000, 1 << 20])
    func longScriptsGoOverStandardInput(count: Int) {
        let script = String(repeating: "x", count: count)
        let command = WorkerCommand(script: script, job: job())
        #expect(command.line.count <= WorkerCommand.lineLimit)
        #expect(command.input.count == (count > 32_000 ? count : 0))
    }
}
