import Glibc

/// Reads the bytes of a task file, no more than the largest that is taken.
struct TaskFileReader {
    let path: String

    /// - Throws: `CoordfileError` when there is no such file, it is a folder, cannot be read, or is too large.
    func read() throws(CoordfileError) -> [UInt8] {
        guard !path.utf8.contains(0) else { throw error(.notFound, "a path cannot hold a NUL character") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open") }
        defer { close(descriptor) }

        // One byte more than allowed is asked for, so that a file of exactly that size passes.
        let most = Coordfile.maximumBytes + 1
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < most {
            let count = Glibc.read(descriptor, &buffer, min(buffer.count, most - bytes.count))
            if count == 0 { return bytes }
            if count > 0 {
                bytes.append(contentsOf: buffer[..<count])
            } else if errno != EINTR {
                throw failure("read")
            }
        }
        throw error(.tooLarge, "the task file is larger than \(Coordfile.maximumBytes >> 20) MiB")
    }

    private func failure(_ operation: String) -> CoordfileError {
        let number = errno
        switch number {
        case ENOENT, ENOTDIR:
            return error(.notFound, "there is no such task file", "name one with --file")
        case EISDIR:
            return error(.unreadable, "this is a folder, not a task file", "name the file in it with --file")
        default:
            return error(.unreadable, "cannot \(operation) the task file: \(String(cString: strerror(number)))")
        }
    }

    private func error(_ code: CoordfileError.Code, _ message: String, _ hint: String? = nil) -> CoordfileError {
        CoordfileError(code: code, file: path, message: message, hint: hint)
    }
}
