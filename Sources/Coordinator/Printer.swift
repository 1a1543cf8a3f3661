/// The threads that write to standard output and standard error, where a reader may be slow, stopped, or gone.
enum Printer {
    /// Bytes to print; `chunk` comes back once they are printed, or nobody reads them any more.
    struct Job: Sendable {
        var bytes: [UInt8]
        var chunk: UInt64?
    }

    /// Starts a printer on a descriptor that blocks. Once a write fails (`| head` has gone) everything is dropped.
    ///
    /// - Throws: ``CoordinatorError`` when the process is out of descriptors.
    static func start(name: String, descriptor: Int32) throws(CoordinatorError) -> SerialThread<Job, UInt64> {
        try SerialThread(name: name) {
            var isBroken = false
            return { jobs in
                var bytes: [UInt8] = []
                for job in jobs { bytes.append(contentsOf: job.bytes) }
                if !isBroken { isBroken = !BlockingOutput.write(bytes, to: descriptor) }
                return jobs.compactMap(\.chunk)
            }
        }
    }
}
