import ForkPool
import Glibc

/// An flock(2) on a file beside a socket, held for the life of the process.
struct PathLock {
    private let path: String
    private let descriptor: Int32

    /// - Throws: ``ForkPoolError``; EWOULDBLOCK when another process holds it.
    init(path: String) throws(ForkPoolError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw ForkPoolError(code: errno, operation: "open \(path)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw ForkPoolError(code: code, operation: "lock \(path): another agent listens here")
        }
    }

    /// Removes the file and lets go.
    func release() {
        unlink(path)
        close(descriptor)
    }
}
