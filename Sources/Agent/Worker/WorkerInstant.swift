import Glibc

/// A point in time on CLOCK_BOOTTIME: it never goes back, and counts the time that the machine was suspended.
struct WorkerInstant: Comparable {
    /// Since the machine started.
    var nanoseconds: UInt64

    static func < (one: WorkerInstant, other: WorkerInstant) -> Bool { one.nanoseconds < other.nanoseconds }

    /// Later by so many milliseconds; the far future rather than an overflow.
    func advanced(byMilliseconds milliseconds: UInt64) -> WorkerInstant {
        let (delta, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, overflowToo) = nanoseconds.addingReportingOverflow(delta)
        return WorkerInstant(nanoseconds: overflow || overflowToo ? .max : sum)
    }

    /// Milliseconds from here to `later`, rounded up; 0 when that has passed.
    func milliseconds(until later: WorkerInstant) -> UInt64 {
        guard later > self else { return 0 }
        let (quotient, remainder) = (later.nanoseconds - nanoseconds).quotientAndRemainder(dividingBy: 1_000_000)
        return remainder == 0 ? quotient : quotient + 1
    }

    /// Seconds since `earlier`; 0 when that lies ahead.
    func seconds(since earlier: WorkerInstant) -> Double {
        earlier < self ? Double(nanoseconds - earlier.nanoseconds) / 1e9 : 0
    }
}

/// Where a worker takes the time from; tests put the hands forward.
struct WorkerClock: Sendable {
    /// The present.
    var now: @Sendable () -> WorkerInstant

    /// The machine's clock.
    static let machine = WorkerClock {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return WorkerInstant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
