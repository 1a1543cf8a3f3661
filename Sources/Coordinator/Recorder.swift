// The thread that writes down: grants, outcomes and output into the journal, whole streams into --outdir. Each group of
// jobs is one transaction, so that many grants share one disk sync; a grant is answered only after the commit. When the
// disk is full (or gone) nothing is granted any more, everything else goes on and is answered, and the loop is told why.

import Foundation
import GRDB
import Glibc
import SSHConfig
import Scheduling

/// What the event loop wants written down.
enum RecorderJob: Sendable {
    case grant(Lease)
    case withdraw(Lease)
    /// `chunk` comes back once its bytes are where they belong.
    case output(entry: Int, attempt: Attempt, stream: HostStream, bytes: [UInt8], chunk: UInt64)
    /// `wantsOutput`: answer with what was kept of the entry's output.
    case finish(HostResult, wantsOutput: Bool)
    /// Add a new host's key to a known_hosts file.
    case newHostKey(NewKnownHost, file: String)
    case end(Date)
}

/// What the event loop is told.
enum RecorderCompletion: Sendable {
    case granted([Lease])
    case consumed(chunk: UInt64)
    case finished(HostResult, KeptOutput?)
    /// The outcome could not be written down, or not all of the host's output.
    case unrecorded(HostResult)
    /// Something to be told to the user.
    case notice(String)
    /// Said once.
    case failed(String)
}

/// The recorder's state, on its thread.
private final class RecorderBody {
    /// What was kept of one stream so far.
    private struct Kept {
        var headCount = 0
        var tail: [(part: Int, count: Int)] = []
        var tailCount = 0
        var nextPart = 0
        var cutCount = 0
    }

    private struct StreamKey: Hashable {
        let entry: Int
        let stream: HostStream
    }

    private let journal: RunJournal
    private let outputFiles: OutputFolder?
    private let half: Int
    private var kept: [StreamKey: Kept] = [:]
    private var attempts: [Int: Attempt] = [:]
    private var failure: String?
    private var hasToldFailure = false

    init(journal: RunJournal, outputFiles: OutputFolder?, outputLimit: Int) {
        self.journal = journal
        self.outputFiles = outputFiles
        half = max(1, outputLimit / 2)
    }

    func carryOut(_ jobs: [RecorderJob]) -> [RecorderCompletion] {
        var completions: [RecorderCompletion] = []
        if failure == nil {
            do {
                // The files first: no outcome is journalled whose output is not where it belongs.
                try outputFiles?.write(jobs)
                try journal.transaction { database in
                    for job in jobs { try write(job, database, &completions) }
                }
            } catch {
                // Nothing is written any more, so what stands in `kept` does not matter.
                failure = "\(error)"
                completions = []
            }
        }
        if let failure {
            if !hasToldFailure { completions.append(.failed(failure)) }
            hasToldFailure = true
            for job in jobs { answerWithoutJournal(job, &completions) }
        }
        return completions
    }

    private func write(
        _ job: RecorderJob,
        _ database: Database,
        _ completions: inout [RecorderCompletion]
    ) throws {
        switch job {
        case .grant(let lease):
            try RunJournal.insertGrant(lease, epoch: journal.epoch, at: Date(), database)
            completions.append(.granted([lease]))
        case .withdraw(let lease): try RunJournal.withdrawGrant(lease, database)
        case .output(let entry, let attempt, let stream, let bytes, let chunk):
            try keep(bytes, entry: entry, attempt: attempt, stream: stream, database)
            completions.append(.consumed(chunk: chunk))
        case .finish(let result, let wantsOutput):
            try RunJournal.insertOutcome(result, database)
            let output = wantsOutput ? try RunJournal.output(of: result.entry, database) : nil
            completions.append(.finished(result, output))
            // After `lost` more may come, with a late result.
            if result.outcome != .lost {
                for stream in HostStream.allCases { kept[StreamKey(entry: result.entry, stream: stream)] = nil }
            }
        case .newHostKey(let host, let file): writeDown(host, file, &completions)
        case .end(let time): try RunJournal.end(at: time, database)
        }
    }

    private func writeDown(_ host: NewKnownHost, _ file: String, _ completions: inout [RecorderCompletion]) {
        do {
            try KnownHostsFile.append([host], to: file)
            completions.append(.notice("\(host.host): its new \(host.key.type) key was added to \(file)"))
        } catch {
            completions.append(.notice("\(host.host): its new key could not be written down: \(error)"))
        }
    }

    private func answerWithoutJournal(_ job: RecorderJob, _ completions: inout [RecorderCompletion]) {
        switch job {
        case .grant, .withdraw, .end: break
        case .newHostKey(let host, let file): writeDown(host, file, &completions)
        case .output(_, _, _, _, let chunk): completions.append(.consumed(chunk: chunk))
        case .finish(let result, _): completions.append(.unrecorded(result))
        }
    }

    /// Keeps the first half of the limit from the stream's head and the last half from its tail.
    private func keep(
        _ bytes: [UInt8],
        entry: Int,
        attempt: Attempt,
        stream: HostStream,
        _ database: Database
    ) throws {
        if let earlier = attempts[entry], earlier != attempt {
            try RunJournal.deleteOutput(entry: entry, database)
            for other in HostStream.allCases { kept[StreamKey(entry: entry, stream: other)] = nil }
        }
        attempts[entry] = attempt
        let key = StreamKey(entry: entry, stream: stream)
        var state = kept[key] ?? Kept()
        let head = bytes.prefix(half - state.headCount)
        if !head.isEmpty {
            state.headCount += head.count
            try insert(Array(head), key, &state, database)
        }
        let rest = bytes.dropFirst(head.count)
        if !rest.isEmpty {
            state.tail.append((state.nextPart, rest.count))
            state.tailCount += rest.count
            try insert(Array(rest), key, &state, database)
            // Whole parts go, so a little less than half may be left of the tail; never more.
            while state.tailCount > half, state.tail.count > 1 {
                let oldest = state.tail.removeFirst()
                state.tailCount -= oldest.count
                state.cutCount += oldest.count
                try RunJournal.deleteOutput(entry: entry, stream: stream, part: oldest.part, database)
            }
            if state.cutCount > 0, let first = state.tail.first {
                try database.cachedStatement(
                    sql: "UPDATE output SET cut_before = ? WHERE entry = ? AND stream = ? AND part = ?"
                ).execute(arguments: [state.cutCount, entry, stream.rawValue, first.part])
            }
        }
        kept[key] = state
    }

    private func insert(_ bytes: [UInt8], _ key: StreamKey, _ state: inout Kept, _ database: Database) throws {
        try RunJournal.insertOutput(
            entry: key.entry,
            stream: key.stream,
            part: state.nextPart,
            bytes: bytes,
            cutBefore: 0,
            database
        )
        state.nextPart += 1
    }
}

/// Makes the recorder thread.
enum Recorder {
    /// - Parameter outputLimit: bytes of each stream that the journal keeps.
    /// - Throws: ``CoordinatorError`` when the process is out of descriptors.
    static func start(
        journal: RunJournal,
        outputFiles: OutputFolder?,
        outputLimit: Int
    ) throws(CoordinatorError) -> SerialThread<RecorderJob, RecorderCompletion> {
        try SerialThread(name: "recorder") {
            let body = RecorderBody(journal: journal, outputFiles: outputFiles, outputLimit: outputLimit)
            return { jobs in body.carryOut(jobs) }
        }
    }
}
