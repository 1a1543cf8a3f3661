import ArgumentParser
import Testing

@testable import CoordCommand

@Suite struct CommandLineTests {
    private func parse(_ words: [String]) throws -> RunCommand? {
        try Coord.parseAsRoot(RunCommand.handingOverCommand(words)) as? RunCommand
    }

    @Test func wordsBehindTheTerminatorAreTheCommand() throws {
        let run = try #require(try parse(["run", "-H", "web1", "-z20", "--", "echo", "-n", "--", "$x"]))
        #expect(run.command == "echo -n -- $x")
        #expect(run.selectionOptions.hosts == ["web1"])
        #expect(run.poolSize == 20)
        #expect(run.tasks == [])
    }

    @Test func tasksAndFlagsMix() throws {
        let run = try #require(
            try parse([
                "run", "poke", "-P", "stop", "-R", "a,b", "-x", "web3", "-T", "1m", "-wq", "--output", "ndjson", "-i",
                "k",
                "-o", "Port=1", "-o", "User=x", "--agents", "4",
            ])
        )
        #expect(run.tasks == ["poke", "stop"])
        #expect(run.parallel && run.warnOnly && run.quiet && !run.verbose)
        #expect(run.selectionOptions.roles == ["a,b"])
        #expect(run.selectionOptions.exclude == ["web3"])
        #expect(run.options == ["Port=1", "User=x"])
        #expect(run.output == .ndjson)
        #expect(run.agents == 4)
        #expect(run.command == nil)
    }

    @Test(arguments: [
        ["run", "-z", "x", "poke"], ["run", "--output", "xml", "poke"], ["run", "--bogus"], ["bogus"], ["run", "-H"],
        ["run", "--agents", "1.5", "poke"], ["run", "-P=yes", "poke"], ["hosts", "expand"], ["sandbox", "sideways"],
    ])
    func nonsenseIsRefused(_ words: [String]) {
        #expect(throws: (any Error).self) { try parse(words) }
    }

    @Test func anEmptyCommandIsNotNoCommand() throws {
        let run = try #require(try parse(["run", "-H", "web1", "--"]))
        #expect(run.command == "")
        #expect(throws: UsageError.self) { try Preparation(run).prepare() }
    }

    @Test(arguments: [
        (["run", "-H", "web1", "poke", "--", "true"], "a task and a command"),
        (["run"], "no task is named"),
        (["run", "deploy:1.2"], "not supported by this version"),
        (["run", "-H", "web1", "-q", "-v", "--", "true"], "contradict"),
        (["run", "-H", "web1", "-p", "0", "--", "true"], "from 1 to 65535"),
        (["run", "-H", "web1", "-t", "10", "--", "true"], "10s"),
        (["run", "-H", "web1", "-u", "a b", "--", "true"], "no user's name"),
        (["run", "-H", "web1", "-f", "/does/not/exist.yaml", "--", "true"], "/does/not/exist.yaml"),
        (["run", "-H", "web1", "--hosts-file", "/does/not/exist", "--", "true"], "/does/not/exist"),
        (["run", "-P", "--sequential", "-H", "web1", "--", "true"], "contradict"),
        (["run", "-H", "web[1-3]", "-x", "web[1-9]", "--", "true"], "leaves out"),
    ])
    func badInputIsNamedBeforeAnythingStarts(_ words: [String], _ expected: String) throws {
        let run = try #require(try parse(words))
        #expect {
            _ = try Preparation(run).prepare()
        } throws: { ($0 as? UsageError)?.message.contains(expected) ?? false }
    }
}
