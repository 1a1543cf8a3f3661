// One run's journal: an SQLite file of its own in the state folder (mode 0600), so that runs beside each other never wait
// for each other's disk syncs, and one that is damaged harms no other. WAL with synchronous=FULL: a commit is on the disk
// when it returns, which is what a grant waits for. An flock on the file beside it makes a run have one coordinator.
//
//     run      one row: id, epoch, tasks, operator, times                entry    the plan: task, host
//     grant_   every grant, before it is sent; withdrawn when never sent outcome  how each entry ended
//     output   what is kept of each stream: parts numbered in order, head and tail up to `outputLimit`

import Foundation
import GRDB
import Glibc
import Scheduling

/// The SQLite file of one run.
public final class RunJournal: Sendable {
    /// What is kept of each stream of a host, in bytes: half from its head, half from its tail.
    public static let defaultOutputLimit = 1 << 20

    /// The run's ID.
    public let runID: String
    /// Raised by each coordinator that takes the run up; 1 for the first.
    public let epoch: UInt64
    /// The SQLite file.
    public let path: String
    private let database: DatabaseQueue
    private let lock: Int32

    private init(runID: String, epoch: UInt64, path: String, database: DatabaseQueue, lock: Int32) {
        self.runID = runID
        self.epoch = epoch
        self.path = path
        self.database = database
        self.lock = lock
    }

    deinit { close(lock) }

    /// Makes the journal of a new run and writes its plan down.
    ///
    /// - Throws: ``CoordinatorError`` (`journal`) that names the file.
    public static func create(
        runID: String,
        plan: RunPlan,
        startedAt: Date,
        in folder: StateFolder
    ) throws(CoordinatorError) -> RunJournal {
        try folder.prepare()
        let path = folder.journal(of: runID)
        let lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw CoordinatorError(.journal, "open \(path).lock", errno: errno) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw CoordinatorError(.journal, "run \(runID) is being carried out by another coordinator")
        }
        do {
            let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard file >= 0 else { throw CoordinatorError(.journal, "make \(path)", errno: errno) }
            close(file)
            let database = try DatabaseQueue(path: path, configuration: configuration)
            try migrator.migrate(database)
            let journal = RunJournal(runID: runID, epoch: 1, path: path, database: database, lock: lock)
            try journal.write(plan, startedAt: startedAt)
            return journal
        } catch {
            close(lock)
            throw CoordinatorError(.journal, "the run's journal \(path) can't be written: \(error)")
        }
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "journal"
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = FULL")
            try database.execute(sql: "PRAGMA foreign_keys = ON")
        }
        return configuration
    }

    /// The schema, by version. A version that has been released is never changed, only followed by another.
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("v1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE run (
                        id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, tasks TEXT NOT NULL, operator TEXT NOT NULL,
                        started_at TEXT NOT NULL, ended_at TEXT);
                    CREATE TABLE entry (
                        id INTEGER PRIMARY KEY, task INTEGER NOT NULL, task_name TEXT NOT NULL, host TEXT NOT NULL);
                    CREATE TABLE grant_ (
                        entry INTEGER NOT NULL REFERENCES entry(id), attempt INTEGER NOT NULL, agent INTEGER NOT NULL,
                        incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL, granted_at TEXT NOT NULL,
                        withdrawn INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (entry, attempt));
                    CREATE TABLE outcome (
                        entry INTEGER PRIMARY KEY REFERENCES entry(id), outcome TEXT NOT NULL, agent TEXT,
                        exit_status INTEGER, signal TEXT, stage TEXT, message TEXT,
                        queue_seconds REAL NOT NULL, connect_seconds REAL NOT NULL, auth_seconds REAL NOT NULL,
                        grant_seconds REAL NOT NULL, run_seconds REAL NOT NULL,
                        output_open INTEGER NOT NULL, output_incomplete INTEGER NOT NULL,
                        possibly_running INTEGER NOT NULL, replaced TEXT);
                    CREATE TABLE output (
                        entry INTEGER NOT NULL REFERENCES entry(id), stream INTEGER NOT NULL, part INTEGER NOT NULL,
                        bytes BLOB NOT NULL, cut_before INTEGER NOT NULL DEFAULT 0,
                        PRIMARY KEY (entry, stream, part)) WITHOUT ROWID;
                    """
            )
        }
        return migrator
    }

    private func write(_ plan: RunPlan, startedAt: Date) throws {
        try database.write { database in
            try database.execute(
                sql: "INSERT INTO run (id, epoch, tasks, operator, started_at) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    runID, Int64(epoch), plan.tasks.map(\.name).joined(separator: " "), NSUserName(),
                    Timestamp.text(of: startedAt),
                ]
            )
            let insert = try database.makeStatement(
                sql: "INSERT INTO entry (id, task, task_name, host) VALUES (?, ?, ?, ?)"
            )
            for (index, entry) in plan.entries.enumerated() {
                try insert.execute(arguments: [index, entry.task, plan.tasks[entry.task].name, entry.host.text])
            }
        }
    }

    // MARK: What the recorder writes

    /// Runs `body` in one transaction, durable when this returns.
    func transaction(_ body: (Database) throws -> Void) throws {
        try database.write(body)
    }

    /// Journals a grant.
    static func insertGrant(_ lease: Lease, epoch: UInt64, at time: Date, _ database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO grant_ (entry, attempt, agent, incarnation, epoch, granted_at) VALUES (?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            lease.entry.index, Int64(lease.attempt.number), lease.agent.index,
            Int64(bitPattern: lease.incarnation.rawValue), Int64(epoch), Timestamp.text(of: time),
        ])
    }

    /// Journals that a grant was never sent.
    static func withdrawGrant(_ lease: Lease, _ database: Database) throws {
        try database.cachedStatement(sql: "UPDATE grant_ SET withdrawn = 1 WHERE entry = ? AND attempt = ?")
            .execute(arguments: [lease.entry.index, Int64(lease.attempt.number)])
    }

    /// Journals an outcome; a later one for the same entry keeps the first in `replaced`.
    static func insertOutcome(_ result: HostResult, _ database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO outcome (entry, outcome, agent, exit_status, signal, stage, message, queue_seconds,
                    connect_seconds, auth_seconds, grant_seconds, run_seconds, output_open, output_incomplete,
                    possibly_running)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (entry) DO UPDATE SET replaced = outcome, outcome = excluded.outcome,
                    agent = excluded.agent, exit_status = excluded.exit_status, signal = excluded.signal,
                    stage = excluded.stage, message = excluded.message, queue_seconds = excluded.queue_seconds,
                    connect_seconds = excluded.connect_seconds, auth_seconds = excluded.auth_seconds,
                    grant_seconds = excluded.grant_seconds, run_seconds = excluded.run_seconds,
                    output_open = excluded.output_open, output_incomplete = excluded.output_incomplete,
                    possibly_running = excluded.possibly_running
                """
        ).execute(arguments: [
            result.entry, result.outcome.rawValue, result.agent, result.exitStatus.map { Int64($0) }, result.signal,
            result.stage, result.message, result.seconds.queue, result.seconds.connect, result.seconds.auth,
            result.seconds.grant, result.seconds.run, result.outputOpen, result.outputIncomplete,
            result.possiblyRunning,
        ])
    }

    /// Keeps one part of a stream.
    static func insertOutput(
        entry: Int,
        stream: HostStream,
        part: Int,
        bytes: [UInt8],
        cutBefore: Int,
        _ database: Database
    ) throws {
        try database.cachedStatement(
            sql: "INSERT INTO output (entry, stream, part, bytes, cut_before) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [entry, stream.rawValue, part, Data(bytes), cutBefore])
    }

    /// Drops a part of a stream's tail.
    static func deleteOutput(entry: Int, stream: HostStream, part: Int, _ database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM output WHERE entry = ? AND stream = ? AND part = ?")
            .execute(arguments: [entry, stream.rawValue, part])
    }

    /// Drops everything that an earlier attempt printed.
    static func deleteOutput(entry: Int, _ database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM output WHERE entry = ?").execute(arguments: [entry])
    }

    /// Journals the end of the run.
    static func end(at time: Date, _ database: Database) throws {
        try database.execute(sql: "UPDATE run SET ended_at = ?", arguments: [Timestamp.text(of: time)])
    }

    // MARK: What readers get

    /// What was kept of an entry's output.
    ///
    /// - Throws: ``CoordinatorError`` (`journal`).
    public func output(of entry: Int) throws(CoordinatorError) -> KeptOutput {
        do {
            return try database.read { database in try Self.output(of: entry, database) }
        } catch {
            throw CoordinatorError(.journal, "the run's journal \(path) can't be read: \(error)")
        }
    }

    static func output(of entry: Int, _ database: Database) throws -> KeptOutput {
        var kept = KeptOutput()
        let rows = try Row.fetchCursor(
            database.cachedStatement(
                sql: "SELECT stream, bytes, cut_before FROM output WHERE entry = ? ORDER BY stream, part"
            ),
            arguments: [entry]
        )
        while let row = try rows.next() {
            let bytes: Data = row["bytes"]
            let cut: Int = row["cut_before"]
            let stream: Int = row["stream"]
            switch HostStream(rawValue: stream) {
            case .stdout: kept.stdout.append(contentsOf: bytes)
            case .stderr: kept.stderr.append(contentsOf: bytes)
            case nil: continue
            }
            kept.cutBytes += cut
        }
        return kept
    }
}

/// What the journal keeps of a host's output: all of it, or head and tail.
public struct KeptOutput: Sendable, Equatable {
    /// Bytes of standard output.
    public var stdout: [UInt8] = []
    /// Bytes of standard error.
    public var stderr: [UInt8] = []
    /// How many bytes of both are missing between head and tail.
    public var cutBytes = 0

    /// Nothing.
    public init() {}
}

/// The two streams of a remote command.
public enum HostStream: Int, Sendable, Hashable, CaseIterable {
    /// File descriptor 1.
    case stdout = 0
    /// File descriptor 2.
    case stderr = 1
}

/// Times as RFC 3339 has them, in UTC, with milliseconds.
public enum Timestamp {
    /// For example `2010-06-01T12:00:00.000Z`.
    public static func text(of date: Date) -> String {
        date.formatted(.iso8601.year().month().day().dateSeparator(.dash).time(includingFractionalSeconds: true))
            + "Z"
    }
}
