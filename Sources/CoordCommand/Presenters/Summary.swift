import Coordinator
import HostSets
import Scheduling

/// The words for a run's beginning and end.
enum Summary {
    /// `53 hosts, 4 agents x 20: 53 at once`.
    static func banner(_ run: RunDescription) -> String {
        let tasks = run.tasks.map { Printable.line($0, limit: 100) }.joined(separator: ", ")
        let agents = run.agents == 1 ? "1 agent" : "\(run.agents) agents"
        let atOnce = run.bubble == 1 ? "one at a time" : "\(run.bubble) at once"
        return "run \(run.id): \(tasks) on \(count(run.hosts)), \(agents) x \(run.poolSize), \(atOnce)"
    }

    /// The counts, and who is not ok, folded.
    static func lines(_ report: RunReport) -> [String] {
        let counts = Outcome.allCases.compactMap { outcome in
            let number = report.count(outcome)
            return number == 0 ? nil : "\(number) \(words(outcome))"
        }
        var lines = ["\(count(report.results.count)) in \(seconds(report.seconds)): \(counts.joined(separator: ", "))"]
        for outcome in Outcome.allCases where outcome != .ok {
            let hosts = report.results.filter { $0.outcome == outcome }.map(\.host)
            if !hosts.isEmpty { lines.append("  \(words(outcome)) (\(hosts.count)): \(NodeSet.fold(hosts))") }
        }
        let running = report.results.filter(\.possiblyRunning).map(\.host)
        if !running.isEmpty {
            lines.append("  possibly still running on (\(running.count)): \(NodeSet.fold(running))")
        }
        if let failure = report.journalFailure { lines.append("  the journal is incomplete: \(failure)") }
        return lines
    }

    /// One host that is not ok: outcome, status or signal, stage, message.
    static func line(_ result: HostResult) -> String {
        var details: [String] = []
        if let status = result.exitStatus, status != 0 || result.outcome != .ok {
            details.append("exit status \(status)")
        }
        if let signal = result.signal { details.append("signal \(signal)") }
        if let stage = result.stage, result.outcome != .ok { details.append("at \(stage)") }
        if result.outputOpen { details.append("a background process still holds its output") }
        if result.outputIncomplete { details.append("its output may be incomplete") }
        let outcome = words(result.outcome) + (details.isEmpty ? "" : " (\(details.joined(separator: ", ")))")
        guard var message = result.message else { return "\(result.host): \(outcome)" }
        // Messages name the host, as all do; here it stands in front already.
        for name in [result.host, result.address] where message.hasPrefix("\(name): ") {
            message.removeFirst(name.count + 2)
        }
        return "\(result.host): \(outcome)" + (details.contains(message) ? "" : ": \(message)")
    }

    /// As people say it.
    static func words(_ outcome: Outcome) -> String {
        outcome == .timedOut ? "timed out" : outcome.rawValue
    }

    /// For example `30.4 s`.
    static func seconds(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }

    private static func count(_ hosts: Int) -> String { hosts == 1 ? "1 host" : "\(hosts) hosts" }
}
