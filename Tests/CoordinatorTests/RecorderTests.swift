import Foundation
import GRDB
import Glibc
import HostSets
import Scheduling
import Testing

@testable import Coordinator

@Suite struct RecorderTests {
    private let folder: TemporaryFolder
    private let state: StateFolder

    init() throws {
        folder = try TemporaryFolder()
        state = StateFolder(path: folder.path + "/state")
    }

    private func journal(_ hosts: [String], id: String = "run") throws -> RunJournal {
        try RunJournal.create(runID: id, plan: try RunPlan.single(hosts), startedAt: Date(), in: state)
    }

    private func lease(_ entry: Int, _ attempt: UInt32 = 1) -> Lease {
        Lease(entry: EntryID(entry), attempt: Attempt(attempt), agent: AgentID(0), incarnation: Incarnation(7))
    }

    private func result(_ entry: Int, _ outcome: Outcome = .ok) throws -> HostResult {
        HostResult(
            entry: entry,
            host: try HostAddress(parsing: "h\(entry)"),
            task: "poke",
            agent: "a1",
            outcome: outcome
        )
    }

    /// Submits the jobs, ends the thread, and answers with everything that it completed.
    private func carryOut(
        _ jobs: [RecorderJob],
        _ journal: RunJournal,
        outputFiles: OutputFolder? = nil,
        limit: Int = 1 << 20
    ) throws -> [RecorderCompletion] {
        let recorder = try Recorder.start(journal: journal, outputFiles: outputFiles, outputLimit: limit)
        for job in jobs { recorder.submit(job) }
        recorder.close()
        let deadline = Date().addingTimeInterval(30)
        while !recorder.hasEnded, Date() < deadline {
            var item = pollfd(fd: recorder.descriptor, events: Int16(POLLIN), revents: 0)
            poll(&item, 1, 1000)
        }
        #expect(recorder.hasEnded)
        return recorder.takeCompletions()
    }

    private func count(_ sql: String, _ journal: RunJournal) throws -> Int {
        try DatabaseQueue(path: journal.path).read { try Int.fetchOne($0, sql: sql) ?? -1 }
    }

    @Test func aGrantIsAnsweredOnceItCanBeReadFromTheFile() throws {
        let journal = try journal(["h0", "h1"])
        let completions = try carryOut([.grant(lease(0)), .grant(lease(1))], journal)
        let granted = completions.flatMap { if case .granted(let leases) = $0 { leases } else { [Lease]() } }
        #expect(granted == [lease(0), lease(1)])
        #expect(try count("SELECT count(*) FROM grant_ WHERE withdrawn = 0", journal) == 2)
    }

    @Test func theSameAttemptIsNeverGrantedTwice() throws {
        let journal = try journal(["h0"])
        let completions = try carryOut([.grant(lease(0)), .grant(lease(0))], journal)
        let failures = completions.filter { if case .failed = $0 { true } else { false } }
        #expect(failures.count == 1)
    }

    @Test func aWithdrawnGrantIsMarked() throws {
        let journal = try journal(["h0"])
        _ = try carryOut([.grant(lease(0)), .withdraw(lease(0)), .grant(lease(0, 2))], journal)
        #expect(try count("SELECT attempt FROM grant_ WHERE withdrawn = 1", journal) == 1)
        #expect(try count("SELECT attempt FROM grant_ WHERE withdrawn = 0", journal) == 2)
    }

    @Test func aLateResultKeepsWhatItReplaces() throws {
        let journal = try journal(["h0"])
        _ = try carryOut(
            [
                .finish(try result(0, .lost), wantsOutput: false), .finish(try result(0, .ok), wantsOutput: false),
            ],
            journal
        )
        #expect(try count("SELECT count(*) FROM outcome WHERE outcome = 'ok' AND replaced = 'lost'", journal) == 1)
    }

    @Test func headAndTailOfALongStreamAreKept() throws {
        let journal = try journal(["h0"])
        var jobs: [RecorderJob] = []
        for part in 0..<100 {
            let bytes = [UInt8](repeating: UInt8(part), count: 10)
            jobs.append(.output(entry: 0, attempt: Attempt(1), stream: .stdout, bytes: bytes, chunk: UInt64(part)))
        }
        jobs.append(.output(entry: 0, attempt: Attempt(1), stream: .stderr, bytes: [1, 2, 3], chunk: 100))
        jobs.append(.finish(try result(0), wantsOutput: true))
        let completions = try carryOut(jobs, journal, limit: 100)
        let consumed = completions.filter { if case .consumed = $0 { true } else { false } }
        #expect(consumed.count == 101)
        guard case .finished(_, let output?) = completions.last else {
            Issue.record("no output came back")
            return
        }
        let expected =
            (0..<5).flatMap { [UInt8](repeating: $0, count: 10) }
            + (95..<100).flatMap { [UInt8](repeating: $0, count: 10) }
        #expect(output.stdout == expected)
        #expect(output.stderr == [1, 2, 3])
        #expect(output.cutBytes == 900)
        #expect(try journal.output(of: 0) == output)
    }

    @Test func outputOfAnEarlierAttemptGoes() throws {
        let journal = try journal(["h0"])
        _ = try carryOut(
            [
                .output(entry: 0, attempt: Attempt(1), stream: .stdout, bytes: [1], chunk: 1),
                .output(entry: 0, attempt: Attempt(2), stream: .stdout, bytes: [2], chunk: 2),
            ],
            journal
        )
        #expect(try journal.output(of: 0).stdout == [2])
    }

    @Test func outputFilesAreWholeAndTheSameHostTwiceHasTwo() throws {
        let plan = try RunPlan.single(["h0", "h0"])
        let journal = try RunJournal.create(runID: "files", plan: plan, startedAt: Date(), in: state)
        let files = try OutputFolder(path: folder.path + "/out", plan: plan)
        let bytes = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
        _ = try carryOut(
            [
                .output(entry: 0, attempt: Attempt(1), stream: .stdout, bytes: bytes, chunk: 1),
                .output(entry: 0, attempt: Attempt(1), stream: .stdout, bytes: bytes, chunk: 2),
                .output(entry: 1, attempt: Attempt(1), stream: .stderr, bytes: [0], chunk: 3),
            ],
            journal,
            outputFiles: files,
            limit: 100
        )
        func file(_ name: String) throws -> [UInt8] {
            Array(try Data(contentsOf: URL(filePath: "\(folder.path)/out/\(name)")))
        }
        #expect(try file("h0/stdout") == bytes + bytes)
        #expect(try file("h0/stderr") == [])
        #expect(try file("h0.2/stderr") == [0])
    }

    @Test func withoutAJournalNothingIsGrantedAndEverythingElseIsAnswered() throws {
        let journal = try journal(["h0"])
        try DatabaseQueue(path: journal.path).write { try $0.execute(sql: "DROP TABLE grant_") }
        let completions = try carryOut(
            [
                .output(entry: 0, attempt: Attempt(1), stream: .stdout, bytes: [1], chunk: 9), .grant(lease(0)),
                .finish(try result(0, .skipped), wantsOutput: true),
            ],
            journal
        )
        var kinds: [String] = []
        for completion in completions {
            switch completion {
            case .granted: kinds.append("granted")
            case .consumed: kinds.append("consumed")
            case .finished: kinds.append("finished")
            case .unrecorded: kinds.append("unrecorded")
            case .notice: kinds.append("notice")
            case .failed: kinds.append("failed")
            }
        }
        #expect(kinds == ["failed", "consumed", "unrecorded"])
    }

    @Test func filesAreTheUsersAlone() throws {
        let journal = try journal(["h0"])
        func mode(_ path: String) throws -> Int {
            let value = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
            return try #require(value).intValue
        }
        #expect(try mode(journal.path) == 0o600)
        #expect(try mode(state.runs) == 0o700)
        #expect(try mode(state.path) == 0o700)
    }

    @Test func aRunHasOneCoordinator() throws {
        let first = try journal(["h0"], id: "same")
        #expect {
            try journal(["h0"], id: "same")
        } throws: { "\($0)".contains("another coordinator") }
        #expect(first.epoch == 1)
    }

    @Test func aStateFolderThatCannotBeMadeIsNamed() throws {
        let file = folder.path + "/file"
        try Data().write(to: URL(filePath: file))
        #expect {
            try StateFolder(path: file + "/coord").prepare()
        } throws: { error in
            (error as? CoordinatorError)?.code == .journal && "\(error)".contains(file)
        }
    }
}
