import Foundation
import HostSets
import Scheduling
import Testing

@testable import Coordinator

@Suite struct RunReportTests {
    @Test(
        arguments: [
            ([.ok, .ok], false, false, false, 0),
            ([.ok, .failed], false, false, false, 1),
            ([.ok, .signalled], false, false, false, 1),
            ([.ok, .timedOut], false, false, false, 1),
            ([.ok, .failed], true, false, false, 0),
            ([.ok, .signalled], true, false, false, 0),
            ([.ok, .timedOut], true, false, false, 1),
            ([.failed, .unreachable], true, false, false, 3),
            ([.unreachable, .ok], false, false, false, 3),
            ([.refused], false, false, false, 3),
            ([.lost], false, false, false, 3),
            ([.skipped], false, false, false, 3),
            ([.failed, .skipped], false, false, false, 1),
            ([.unreachable, .failed], false, false, false, 1),
            ([.ok, .cancelled], false, true, false, 130),
            ([.ok, .ok], false, true, false, 130),
            ([.failed], false, true, false, 130),
            ([.ok], false, false, true, 4),
            ([.skipped], false, false, true, 3),
            ([.failed], true, false, true, 4),
        ] as [([Outcome], Bool, Bool, Bool, Int32)]
    )
    func theExitStatusIsTheOneOfTheInterface(
        _ outcomes: [Outcome],
        _ warnOnly: Bool,
        _ interrupted: Bool,
        _ journalFailed: Bool,
        _ expected: Int32
    ) throws {
        let folder = try TemporaryFolder()
        let plan = try RunPlan.single(["h"])
        let journal = try RunJournal.create(
            runID: "r",
            plan: plan,
            startedAt: Date(),
            in: StateFolder(path: folder.path)
        )
        let results = try outcomes.enumerated().map { index, outcome in
            HostResult(
                entry: index,
                host: try HostAddress(parsing: "h\(index)"),
                task: "t",
                agent: nil,
                outcome: outcome
            )
        }
        let description = RunDescription(
            id: "r",
            tasks: ["t"],
            startedAt: Date(),
            agents: 1,
            poolSize: 1,
            bubble: 1,
            hosts: outcomes.count
        )
        let report = RunReport(
            description: description,
            seconds: 1,
            results: results,
            wasInterrupted: interrupted,
            warnOnly: warnOnly,
            journalFailure: journalFailed ? "disk full" : nil,
            printFailure: nil,
            journal: journal
        )
        #expect(report.exitStatus == expected)
        #expect(Outcome.allCases.reduce(0) { $0 + report.count($1) } == outcomes.count)
    }
}
