import Glibc

/// How many workers this machine carries.
struct PoolLimit: Equatable {
    /// At least 1.
    var count: Int
    /// Which limit it is, for people: "RLIMIT_NOFILE 64".
    var reason: String

    /// Descriptors that an agent needs besides one for each worker.
    static let reservedDescriptors = 32
    /// Memory to count on for a worker; measured well below it.
    static let workerMemory = 2 << 20

    /// Raises the soft limit of descriptors to the hard one, then takes the lowest of descriptors, processes, memory.
    static func ofThisMachine() -> PoolLimit {
        raiseDescriptorLimit()
        var limits: [PoolLimit] = []
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            let descriptors = Int(clamping: limit.rlim_cur)
            limits.append(
                PoolLimit(
                    count: descriptors - reservedDescriptors,
                    reason: "\(descriptors) file descriptors (ulimit -n)"
                )
            )
        }
        if getrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &limit) == 0, limit.rlim_cur != rlim_t.max {
            limits.append(
                PoolLimit(count: Int(clamping: limit.rlim_cur) / 2, reason: "\(limit.rlim_cur) processes (ulimit -u)")
            )
        }
        if let threads = number(in: "/proc/sys/kernel/threads-max") {
            limits.append(PoolLimit(count: threads / 2, reason: "\(threads) threads (kernel.threads-max)"))
        }
        if let processes = number(in: "/proc/sys/kernel/pid_max") {
            limits.append(PoolLimit(count: processes / 2, reason: "\(processes) process ids (kernel.pid_max)"))
        }
        if let processes = number(in: "/sys/fs/cgroup/pids.max") {
            limits.append(PoolLimit(count: processes / 2, reason: "\(processes) processes (cgroup pids.max)"))
        }
        if let available = number(in: "/proc/meminfo", after: "MemAvailable:") {
            limits.append(
                PoolLimit(count: available * 1024 / workerMemory, reason: "\(available / 1024) MiB of memory available")
            )
        }
        var lowest = limits.min { $0.count < $1.count } ?? PoolLimit(count: 1024, reason: "no limit known")
        lowest.count = max(1, lowest.count)
        return lowest
    }

    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        // Refused: then the soft limit stays, and the pool is sized by it.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// The first number of a file, or the one behind a word; nil when there is none ("max", no such file).
    private static func number(in path: String, after word: String? = nil) -> Int? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let words = String(decoding: bytes[..<count], as: UTF8.self).split { $0 == " " || $0 == "\n" || $0 == "\t" }
        guard let word else { return words.first.flatMap { Int($0) } }
        guard let index = words.firstIndex(where: { $0 == word }), index + 1 < words.count else { return nil }
        return Int(words[index + 1])
    }
}
