import Glibc

/// Lines for the operator on standard error, in one write each.
enum AgentLog {
    /// Writes one line; control characters are shown as `?`, and 1,000 bytes at most stand.
    static func write(_ message: String) {
        var bytes: [UInt8] = Array("coord-agent: ".utf8)
        for byte in message.utf8.prefix(1000) { bytes.append(byte < 0x20 || byte == 0x7f ? UInt8(ascii: "?") : byte) }
        bytes.append(UInt8(ascii: "\n"))
        // Nothing is left to be told where standard error is gone.
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}

/// CLOCK_BOOTTIME: never set back, and counts the time that the machine was suspended.
enum BootClock {
    /// Time since boot.
    static var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
