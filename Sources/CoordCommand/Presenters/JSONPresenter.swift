import Coordinator
import Foundation
import Scheduling

/// `--output json` (one document at the end) and `ndjson` (one object a line, as things happen).
final class JSONPresenter: ReportPresenter {
    private let verbosity: Verbosity
    private let isStream: Bool
    private let encoder: JSONEncoder

    init(verbosity: Verbosity, isStream: Bool) {
        self.verbosity = verbosity
        self.isStream = isStream
        encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    var wantsKeptOutput: Bool { isStream }

    func runStarted(_ run: RunDescription) -> Rendered {
        guard isStream else { return Rendered() }
        return line(RunStartedEvent(run: RunObject(run, seconds: nil)))
    }

    func output(entry: Int, stream: HostStream, bytes: [UInt8]) -> Rendered { Rendered() }

    func hostFinished(_ result: HostResult, output: KeptOutput?) -> Rendered {
        guard isStream else { return Rendered() }
        return line(HostObject(result, output ?? KeptOutput(), event: "host-finished"))
    }

    func notice(_ notice: RunNotice) -> Rendered { Notices.render(notice, verbosity) }

    func present(_ report: RunReport) throws {
        let run = RunObject(report.description, seconds: report.seconds)
        if isStream {
            let event = RunFinishedEvent(run: run, summary: SummaryObject(report))
            _ = try writeToStandardOutput(line(event).stdout)
            return
        }
        // A document of many hosts is written piece by piece.
        var piece = Array("{\"hosts\": [".utf8)
        for (index, result) in report.results.enumerated() {
            let output = try report.journal.output(of: result.entry)
            piece += Array((index == 0 ? "\n" : ",\n").utf8) + encode(HostObject(result, output, event: nil))
            guard try writeToStandardOutput(piece) else { return }
            piece = []
        }
        piece += Array("],\n\"run\": ".utf8) + encode(run)
        piece += Array(",\n\"summary\": ".utf8) + encode(SummaryObject(report)) + Array("}\n".utf8)
        _ = try writeToStandardOutput(piece)
    }

    private func line(_ value: some Encodable) -> Rendered {
        Rendered(stdout: encode(value) + [UInt8(ascii: "\n")])
    }

    private func encode(_ value: some Encodable) -> [UInt8] {
        do {
            return Array(try encoder.encode(value))
        } catch {
            preconditionFailure("our own objects are always valid JSON: \(error)")
        }
    }
}

/// `run` of INTERFACE.
private struct RunObject: Encodable {
    let id: String
    let tasks: [String]
    let started_at: String
    let seconds: Double?
    let agents: Int
    let pool_size: Int
    let bubble: Int

    init(_ run: RunDescription, seconds: Double?) {
        id = run.id
        tasks = run.tasks
        started_at = Timestamp.text(of: run.startedAt)
        self.seconds = seconds.map(microseconds)
        agents = run.agents
        pool_size = run.poolSize
        bubble = run.bubble
    }
}

private struct RunStartedEvent: Encodable {
    let event = "run-started"
    let run: RunObject
}

private struct RunFinishedEvent: Encodable {
    let event = "run-finished"
    let run: RunObject
    let summary: SummaryObject
}

/// `summary`: every outcome, also those that no host has.
private struct SummaryObject: Encodable {
    private let report: RunReport

    init(_ report: RunReport) { self.report = report }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(report.results.count, forKey: Key(stringValue: "hosts"))
        for outcome in Outcome.allCases {
            try container.encode(report.count(outcome), forKey: Key(stringValue: outcome.rawValue))
        }
    }
}

/// One of `hosts`.
private struct HostObject: Encodable {
    private let result: HostResult
    private let output: KeptOutput
    private let event: String?

    init(_ result: HostResult, _ output: KeptOutput, event: String?) {
        self.result = result
        self.output = output
        self.event = event
    }

    private enum Keys: String, CodingKey {
        case event, host, task, agent, outcome, exit_status, signal, stage, message, stdout, stdout_base64, stderr
        case stderr_base64, truncated, output_open, output_incomplete, possibly_running, seconds
    }

    private enum SecondsKeys: String, CodingKey {
        case queue, connect, auth, grant, run, total
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encodeIfPresent(event, forKey: .event)
        try container.encode(result.host, forKey: .host)
        try container.encode(result.task, forKey: .task)
        try container.encode(result.agent, forKey: .agent)
        try container.encode(result.outcome.rawValue, forKey: .outcome)
        try container.encode(result.exitStatus, forKey: .exit_status)
        try container.encode(result.signal, forKey: .signal)
        try container.encode(result.stage, forKey: .stage)
        try container.encode(result.message, forKey: .message)
        try encode(output.stdout, .stdout, .stdout_base64, &container)
        try encode(output.stderr, .stderr, .stderr_base64, &container)
        try container.encode(output.cutBytes > 0, forKey: .truncated)
        try container.encode(result.outputOpen, forKey: .output_open)
        try container.encode(result.outputIncomplete, forKey: .output_incomplete)
        try container.encode(result.possiblyRunning, forKey: .possibly_running)
        var seconds = container.nestedContainer(keyedBy: SecondsKeys.self, forKey: .seconds)
        try seconds.encode(microseconds(result.seconds.queue), forKey: .queue)
        try seconds.encode(microseconds(result.seconds.connect), forKey: .connect)
        try seconds.encode(microseconds(result.seconds.auth), forKey: .auth)
        try seconds.encode(microseconds(result.seconds.grant), forKey: .grant)
        try seconds.encode(microseconds(result.seconds.run), forKey: .run)
        try seconds.encode(microseconds(result.seconds.total), forKey: .total)
    }

    /// Text where the bytes are UTF-8, else base64.
    private func encode(
        _ bytes: [UInt8],
        _ textKey: Keys,
        _ base64Key: Keys,
        _ container: inout KeyedEncodingContainer<Keys>
    ) throws {
        if let text = String(validating: bytes, as: UTF8.self) {
            try container.encode(text, forKey: textKey)
        } else {
            try container.encode(Data(bytes).base64EncodedString(), forKey: base64Key)
        }
    }
}

/// Seconds to the microsecond: more digits say nothing.
private func microseconds(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e6 }
