import Coordinator
import Glibc
import Scheduling

/// `--output lines` and `quiet`: hosts' stdout lines on standard output, their stderr lines, warnings, failures and the
/// summary on standard error. With `quiet` only the summary, on standard output.
final class LinesPresenter: ReportPresenter {
    private struct StreamKey: Hashable {
        let entry: Int
        let stream: HostStream
    }

    let wantsKeptOutput = false
    private let plan: RunPlan
    private let verbosity: Verbosity
    private let showsOutput: Bool
    private var streams: [StreamKey: LineAssembler] = [:]

    init(plan: RunPlan, verbosity: Verbosity, showsOutput: Bool) {
        self.plan = plan
        self.verbosity = verbosity
        self.showsOutput = showsOutput
    }

    func runStarted(_ run: RunDescription) -> Rendered {
        verbosity == .quiet || !showsOutput ? Rendered() : Rendered(stderr: Notices.bytes(Summary.banner(run)))
    }

    func output(entry: Int, stream: HostStream, bytes: [UInt8]) -> Rendered {
        guard showsOutput else { return Rendered() }
        let key = StreamKey(entry: entry, stream: stream)
        var text: [UInt8] = []
        streams[key, default: LineAssembler(host: plan.entries[entry].host.text)].feed(bytes, into: &text)
        return stream == .stdout ? Rendered(stdout: text) : Rendered(stderr: text)
    }

    func hostFinished(_ result: HostResult, output: KeptOutput?) -> Rendered {
        var rendered = Rendered()
        guard showsOutput else { return rendered }
        if var lines = streams.removeValue(forKey: StreamKey(entry: result.entry, stream: .stdout)) {
            lines.finish(into: &rendered.stdout)
        }
        if var lines = streams.removeValue(forKey: StreamKey(entry: result.entry, stream: .stderr)) {
            lines.finish(into: &rendered.stderr)
        }
        // Hosts that were never started are many, and the summary names them.
        let isTold = result.outcome != .ok && result.outcome != .skipped && result.outcome != .cancelled
        if isTold || result.outputOpen {
            rendered.stderr += Notices.bytes(Summary.line(result))
        } else if verbosity == .verbose {
            let where_ = result.agent.map { " on \($0)" } ?? ""
            rendered.stderr += Notices.bytes(
                "\(Summary.line(result))\(where_), \(Summary.seconds(result.seconds.total)) (queue "
                    + "\(Summary.seconds(result.seconds.queue)), run \(Summary.seconds(result.seconds.run)))"
            )
        }
        return rendered
    }

    func notice(_ notice: RunNotice) -> Rendered { Notices.render(notice, verbosity) }

    func present(_ report: RunReport) throws {
        let lines = Summary.lines(report).flatMap { Notices.bytes($0) }
        if !showsOutput {
            _ = try writeToStandardOutput(lines)
        } else if verbosity != .quiet {
            BlockingOutput.write(lines, to: STDERR_FILENO)
        }
    }
}

/// Lines of coord's own, among what hosts print.
enum Notices {
    /// `coord: MESSAGE` and a newline.
    static func bytes(_ message: String) -> [UInt8] { Array("coord: \(message)\n".utf8) }

    /// What is said of a notice.
    static func render(_ notice: RunNotice, _ verbosity: Verbosity) -> Rendered {
        switch notice {
        case .message(let message, let isWarning):
            let lines = message.split(separator: "\n").flatMap { bytes(String($0)) }
            return isWarning || verbosity != .quiet ? Rendered(stderr: lines) : Rendered()
        case .interrupted(let count, let running):
            let hosts = running == 1 ? "1 host" : "\(running) hosts"
            let message =
                count == 1
                ? "stopping: nothing more is started; \(hosts) still running. Ctrl-C again ends them too"
                : "stopping what runs on \(hosts)"
            return Rendered(stderr: bytes(message))
        }
    }
}
