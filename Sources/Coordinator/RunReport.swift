import Scheduling

/// A run that has ended: every entry with its outcome.
public struct RunReport: Sendable {
    /// What was said at its start.
    public var description: RunDescription
    /// Wall time from the first lease to the last outcome.
    public var seconds: Double
    /// One for each entry, in the order of the plan.
    public var results: [HostResult]
    /// The user pressed Ctrl-C.
    public var wasInterrupted: Bool
    /// Failing steps count as a warning (`-w`).
    public var warnOnly: Bool
    /// Why the journal is incomplete; nil when it is whole.
    public var journalFailure: String?
    /// Why not everything was printed; nil also when the reader went away.
    public var printFailure: String?
    /// The run's journal, for the output of its hosts.
    public var journal: RunJournal

    /// How many hosts have an outcome.
    public func count(_ outcome: Outcome) -> Int {
        results.reduce(0) { $0 + ($1.outcome == outcome ? 1 : 0) }
    }

    /// The process's exit status, as `coord help exit-codes` lists them.
    ///
    /// With `-w` a step that failed or was signalled counts as ok; a deadline that passed does not.
    public var exitStatus: Int32 {
        if wasInterrupted { return 130 }
        var status: Int32 = 0
        for result in results {
            switch result.outcome {
            case .ok: continue
            case .failed, .signalled: if !warnOnly { return 1 }
            case .timedOut: return 1
            case .unreachable, .refused, .lost, .skipped, .cancelled: status = 3
            }
        }
        return status == 0 && (journalFailure != nil || printFailure != nil) ? 4 : status
    }
}
