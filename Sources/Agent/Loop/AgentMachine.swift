// What an agent decides, without IO: which lease starts when a slot is free, what a dead worker means, and when a
// worker has had its time and is killed. The loop (AgentLoop) feeds it and carries out its effects in order.
//
//     waiting → connecting → claimed → granted → gone       a lease's way through an agent
//        ↘ returned (revoked, coordinator gone)             each lease ends in exactly one `finished` or `returned`
//
// A slot is free only when its worker was reaped, so that there are never more processes than slots.

import DequeModule
import ForkPool
import WireProtocol

/// The decisions of one agent for one run.
struct AgentMachine {
    /// One lease of an entry, by the plan's index and the attempt.
    struct EntryKey: Hashable, Sendable {
        let entry: UInt32
        let attempt: UInt32
    }

    /// What a lease says that matters here.
    struct Lease: Equatable, Sendable {
        let key: EntryKey
        /// The most workers at once while this task runs.
        let poolSize: Int
        /// Name, TCP, key exchange and login together.
        let connectLimit: Duration
        /// All steps together; nil: no limit.
        let taskLimit: Duration?
    }

    /// Why a lease goes back unstarted.
    enum ReturnCause: Equatable {
        /// It was asked for.
        case revoked
        /// Its worker died, could not be forked, or was not granted in time.
        case setback
        /// The host's server took no more connections for now.
        case busy
    }

    /// What has happened.
    enum Event: Equatable {
        case leased([Lease])
        case revoked([EntryKey])
        case granted([EntryKey])
        case cancelled([EntryKey])
        case cancelledAll
        /// Another coordinator has taken the run up. It knows of what was granted and of nothing else.
        case coordinatorReplaced
        /// Nothing was heard of the coordinator for too long, or it is heard again.
        case coordinatorSilent
        case coordinatorHeard
        case workerEntered(WorkerID, WireStage)
        case workerClaimed(WorkerID)
        /// The worker's last frame: its own result, or the lease given back.
        case workerFinished(WorkerID)
        case workerReturned(WorkerID, reason: String, ReturnCause)
        /// Its output waits for credit, or flows again.
        case workerBlocked(WorkerID, Bool)
        /// Its pipe broke the frame rules.
        case workerMisbehaved(WorkerID, String)
        /// Reaped, and its pipe read to the end.
        case workerGone(WorkerID, ProcessEnd)
        case spawnFailed(WorkerID, String)
        /// Time passes; at least twice a second.
        case tick
    }

    /// What to do, in order.
    enum Effect: Equatable {
        case spawn(WorkerID, EntryKey)
        case sendGrant(WorkerID)
        case sendStop(WorkerID)
        case kill(WorkerID)
        case claim(EntryKey)
        /// Pass on the result that the worker gave.
        case reportResult(EntryKey, WorkerID)
        /// The worker gave none: this is what its end means.
        case reportLoss(EntryKey, Loss)
        case returnLease(EntryKey, reason: String, ReturnCause)
        /// Forget the worker.
        case release(WorkerID)
    }

    /// The meaning of a worker that ended without a result.
    struct Loss: Equatable {
        let outcome: WireOutcome
        let stage: WireStage
        let message: String
        let possiblyRunning: Bool
    }

    /// Beyond a worker's own deadlines: what it may take longer before it is killed.
    static let killGrace = Duration.seconds(8)

    private struct Active {
        let lease: Lease
        var stage = WireStage.none
        var hasClaimed = false
        var isGranted = false
        var isStopping = false
        var hasReported = false
        var blockedSince: Duration?
        /// When it is killed; nil: when it has no limit.
        var killAt: Duration?
        /// Why it was killed, once it was.
        var killReason: String?
    }

    private var waiting: Deque<Lease> = []
    private var active: [WorkerID: Active] = [:]
    private var workerOfEntry: [EntryKey: WorkerID] = [:]
    private var lastWorker: UInt64 = 0
    private var isSilent = false
    private let poolSize: Int
    private let grantAge: Duration

    /// A machine with nothing to do.
    init(poolSize: Int, grantAge: Duration) {
        self.poolSize = poolSize
        self.grantAge = grantAge
    }

    /// Workers that are not reaped.
    var activeCount: Int { active.count }
    /// What was granted and has not been reported, in the order of the entries.
    var grantedKeys: [EntryKey] {
        active.values.filter { $0.isGranted && !$0.hasReported }.map(\.lease.key).sorted { $0.entry < $1.entry }
    }
    /// Nothing waits and nothing runs.
    var isIdle: Bool { waiting.isEmpty && active.isEmpty }

    /// The one door. `now` is the time since boot.
    mutating func handle(_ event: Event, at now: Duration, effects: inout [Effect]) {
        switch event {
        case .leased(let leases): waiting.append(contentsOf: leases)
        case .revoked(let keys): giveBack(keys, reason: "revoked", &effects)
        case .granted(let keys): for key in keys { grant(key, at: now, &effects) }
        case .cancelled(let keys): cancel(Set(keys), at: now, &effects)
        case .cancelledAll: cancel(nil, at: now, &effects)
        case .coordinatorReplaced: dropUngranted(at: now, &effects)
        case .coordinatorSilent: isSilent = true
        case .coordinatorHeard: isSilent = false
        case .workerEntered(let worker, let stage): active[worker]?.stage = stage
        case .workerClaimed(let worker): claim(worker, at: now, &effects)
        case .workerFinished(let worker): report(worker, at: now, &effects)
        case .workerReturned(let worker, let reason, let cause):
            report(worker, returning: (reason, cause), at: now, &effects)
        case .workerBlocked(let worker, let isBlocked): block(worker, isBlocked, at: now)
        case .workerMisbehaved(let worker, let message): kill(worker, because: message, &effects)
        case .workerGone(let worker, let end): bury(worker, end, &effects)
        case .spawnFailed(let worker, let message): spawnFailed(worker, message, &effects)
        case .tick: enforceDeadlines(at: now, &effects)
        }
        fill(at: now, &effects)
    }

    // MARK: Leases

    private mutating func fill(at now: Duration, _ effects: inout [Effect]) {
        while let next = waiting.first, active.count < min(poolSize, next.poolSize), !isSilent {
            waiting.removeFirst()
            lastWorker += 1
            let worker = WorkerID(rawValue: lastWorker)
            var state = Active(lease: next)
            state.killAt = now + next.connectLimit + Self.killGrace
            active[worker] = state
            workerOfEntry[next.key] = worker
            effects.append(.spawn(worker, next.key))
        }
    }

    private mutating func giveBack(_ keys: [EntryKey], reason: String, _ effects: inout [Effect]) {
        let wanted = Set(keys)
        var kept: Deque<Lease> = []
        for lease in waiting {
            if wanted.contains(lease.key) {
                effects.append(.returnLease(lease.key, reason: reason, .revoked))
            } else {
                kept.append(lease)
            }
        }
        waiting = kept
    }

    private mutating func cancel(_ keys: Set<EntryKey>?, at now: Duration, _ effects: inout [Effect]) {
        giveBack(waiting.map(\.key).filter { keys?.contains($0) ?? true }, reason: "cancelled", &effects)
        for (worker, state) in active.sorted(by: { $0.key < $1.key }) {
            guard keys?.contains(state.lease.key) ?? true, !state.isStopping, !state.hasReported else { continue }
            active[worker]?.isStopping = true
            active[worker]?.killAt = now + Self.killGrace
            effects.append(.sendStop(worker))
        }
    }

    /// Leases that were not granted mean nothing to a new coordinator: it leases those entries anew.
    private mutating func dropUngranted(at now: Duration, _ effects: inout [Effect]) {
        waiting.removeAll()
        for (worker, state) in active.sorted(by: { $0.key < $1.key }) where !state.isGranted && !state.hasReported {
            active[worker]?.hasReported = true
            active[worker]?.killAt = now + Self.killGrace
            workerOfEntry[state.lease.key] = nil
            if !state.isStopping { effects.append(.sendStop(worker)) }
        }
    }

    private mutating func grant(_ key: EntryKey, at now: Duration, _ effects: inout [Effect]) {
        guard let worker = workerOfEntry[key], let state = active[worker], !state.isGranted, !state.hasReported
        else { return }
        active[worker]?.isGranted = true
        if !state.isStopping {
            active[worker]?.killAt = state.lease.taskLimit.map { now + $0 + Self.killGrace }
            effects.append(.sendGrant(worker))
        }
    }

    // MARK: Workers

    private mutating func claim(_ worker: WorkerID, at now: Duration, _ effects: inout [Effect]) {
        guard let state = active[worker], !state.hasReported, !state.isStopping, !state.hasClaimed else { return }
        active[worker]?.hasClaimed = true
        active[worker]?.stage = .grant
        active[worker]?.killAt = now + grantAge + Self.killGrace
        effects.append(.claim(state.lease.key))
    }

    private mutating func report(
        _ worker: WorkerID,
        returning returned: (reason: String, cause: ReturnCause)? = nil,
        at now: Duration,
        _ effects: inout [Effect]
    ) {
        guard let state = active[worker], !state.hasReported else { return }
        active[worker]?.hasReported = true
        // It only has to exit now.
        active[worker]?.killAt = now + Self.killGrace
        workerOfEntry[state.lease.key] = nil
        if let returned {
            effects.append(.returnLease(state.lease.key, reason: returned.reason, returned.cause))
        } else {
            effects.append(.reportResult(state.lease.key, worker))
        }
    }

    private mutating func block(_ worker: WorkerID, _ isBlocked: Bool, at now: Duration) {
        guard let state = active[worker] else { return }
        if isBlocked {
            active[worker]?.blockedSince = state.blockedSince ?? now
        } else if let since = state.blockedSince {
            // Waiting for credit does not count against the task's deadline.
            active[worker]?.blockedSince = nil
            active[worker]?.killAt = state.killAt.map { $0 + (now - since) }
        }
    }

    private mutating func enforceDeadlines(at now: Duration, _ effects: inout [Effect]) {
        for (worker, state) in active.sorted(by: { $0.key < $1.key }) {
            guard let killAt = state.killAt, killAt <= now, state.killReason == nil else { continue }
            // A stopped worker is killed even when nobody takes its output.
            if state.blockedSince != nil, !state.isStopping { continue }
            kill(worker, because: "its worker did not end by its deadline and was killed", &effects)
        }
    }

    private mutating func kill(_ worker: WorkerID, because reason: String, _ effects: inout [Effect]) {
        guard let state = active[worker], state.killReason == nil else { return }
        active[worker]?.killReason = reason
        effects.append(.kill(worker))
    }

    private mutating func spawnFailed(_ worker: WorkerID, _ message: String, _ effects: inout [Effect]) {
        guard let state = active.removeValue(forKey: worker) else { return }
        workerOfEntry[state.lease.key] = nil
        // No room for a process now: like a busy server it is tried again later, and fewer at once.
        effects.append(.returnLease(state.lease.key, reason: message, .busy))
        effects.append(.release(worker))
    }

    private mutating func bury(_ worker: WorkerID, _ end: ProcessEnd, _ effects: inout [Effect]) {
        guard let state = active.removeValue(forKey: worker) else { return }
        if !state.hasReported {
            workerOfEntry[state.lease.key] = nil
            settle(state, end, &effects)
        }
        effects.append(.release(worker))
    }

    /// What the end of a worker that reported nothing means for its host.
    private func settle(_ state: Active, _ end: ProcessEnd, _ effects: inout [Effect]) {
        let how = state.killReason ?? Self.describe(end)
        let key = state.lease.key
        func loss(_ outcome: WireOutcome, _ message: String, possiblyRunning: Bool = false) {
            effects.append(
                .reportLoss(
                    key,
                    Loss(outcome: outcome, stage: state.stage, message: message, possiblyRunning: possiblyRunning)
                )
            )
        }
        if state.isGranted {
            if state.isStopping {
                loss(.cancelled, "stopped: \(how)", possiblyRunning: true)
            } else if state.killReason != nil, state.lease.taskLimit != nil {
                loss(.timedOut, "past the task's deadline: \(how)", possiblyRunning: true)
            } else {
                loss(.lost, "\(how) while the task ran", possiblyRunning: true)
            }
        } else if state.isStopping {
            loss(.cancelled, "cancelled before it started")
        } else if end == .signalled(Self.alarmSignal), state.stage == .resolve {
            loss(.unreachable, "looking up the name took longer than the connect timeout")
        } else if state.killReason != nil {
            loss(.unreachable, "no end by the connect timeout: \(how)")
        } else {
            effects.append(.returnLease(key, reason: "\(how) before the task started", .setback))
        }
    }

    /// SIGALRM: what ends a worker whose name lookup takes too long.
    private static let alarmSignal: Int32 = 14

    private static func describe(_ end: ProcessEnd) -> String {
        switch end {
        case .exited(let status): "its worker exited with status \(status) and without a result"
        case .signalled(let signal): "its worker was killed by signal \(signal)"
        }
    }
}
