import CForkPool
import Glibc

/// Signals as something to poll for: signalfd(2).
public enum SignalDescriptor {
    /// A descriptor that is readable once SIGTERM came. SIGINT, SIGHUP and SIGPIPE are ignored from here on.
    ///
    /// To be called before a thread exists, so that none takes the signal elsewhere.
    ///
    /// - Throws: ``ForkPoolError`` of signalfd(2).
    public static func terminate() throws(ForkPoolError) -> Int32 {
        for number in [SIGINT, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
        let watched = [SIGTERM]
        return Int32(
            try check(Int(cforkpool_signal_descriptor(watched, watched.count)), "signalfd for SIGTERM")
        )
    }
}
