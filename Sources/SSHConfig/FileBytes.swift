import Glibc

/// Reads whole files.
enum FileBytes {
    private static let chunkSize = 1 << 20

    /// The bytes of a file; nil when it is not there.
    ///
    /// - Throws: ``KnownHostsError`` with `unreadable` or `tooLarge`.
    static func read(path: String, limit: Int) throws(KnownHostsError) -> [UInt8]? {
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else {
            let reason = errno
            if reason == ENOENT || reason == ENOTDIR { return nil }
            throw KnownHostsError(.unreadable, path: path, context: "can't be opened", underlying: reason)
        }
        defer { close(fd) }
        return try read(fd: fd, path: path, limit: limit)
    }

    /// The bytes of an open file from its current position on.
    ///
    /// - Throws: ``KnownHostsError`` with `unreadable` or `tooLarge`.
    static func read(fd: Int32, path: String, limit: Int) throws(KnownHostsError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            var chunk: [UInt8] = []
            let count = withUnsafeTemporaryAllocation(byteCount: chunkSize, alignment: 1) { buffer in
                let count = Glibc.read(fd, buffer.baseAddress, buffer.count)
                if count > 0 { chunk.append(contentsOf: buffer[..<count]) }
                return count
            }
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw KnownHostsError(.unreadable, path: path, context: "can't be read", underlying: errno)
            }
            guard bytes.count + count <= limit else {
                throw KnownHostsError(.tooLarge, path: path, context: "is larger than \(limit >> 20) MiB")
            }
            bytes.append(contentsOf: chunk)
        }
    }
}
