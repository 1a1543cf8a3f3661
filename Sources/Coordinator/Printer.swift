import Glibc
import SystemPackage

/// The threads that write to standard output and standard error, where a reader may be slow, stopped, or gone.
enum Printer {
    /// Bytes to print; `chunk` comes back once they are printed, or nobody reads them any more.
    struct Job: Sendable {
        var bytes: [UInt8]
        var chunk: UInt64?
    }

    /// What the event loop is told.
    enum Completion: Sendable {
        /// The chunk is dealt with.
        case printed(UInt64)
        /// Said once: nothing more is printed, for another reason than that the reader has gone.
        case failed(String)
    }

    /// Starts a printer on a descriptor that blocks. Once a write fails everything is dropped; that the reader has gone
    /// (`| head`) is no failure.
    ///
    /// - Throws: ``CoordinatorError`` when the process is out of descriptors.
    static func start(
        name: String,
        descriptor: Int32
    ) throws(CoordinatorError) -> SerialThread<Job, Completion> {
        try SerialThread(name: name) {
            var isBroken = false
            return { jobs in
                var bytes: [UInt8] = []
                for job in jobs { bytes.append(contentsOf: job.bytes) }
                var completions = jobs.compactMap(\.chunk).map(Completion.printed)
                guard !isBroken else { return completions }
                let failure = BlockingOutput.write(bytes, to: descriptor)
                isBroken = failure != 0
                if failure != 0, failure != EPIPE {
                    completions.append(.failed("\(name): \(Errno(rawValue: failure))"))
                }
                return completions
            }
        }
    }
}
