import Glibc

/// Writing that waits: for printer threads, and for what is printed once a run has ended.
public enum BlockingOutput {
    /// Writes everything (write(2)), also to a descriptor that another program has made non-blocking.
    ///
    /// - Returns: 0, or the errno: EPIPE when nobody reads any more.
    @discardableResult
    public static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + start, bytes.count - start) }
            if count >= 0 {
                start += count
            } else if errno == EAGAIN {
                var item = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&item, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}
