import Glibc

/// What has to be known of ports on this machine.
enum LoopbackServer {
    private static let answerSeconds = 1
    private static let greeting = Array("SSH-".utf8)

    /// A TCP port that nothing listens on; another program may take it before it is used.
    ///
    /// - Throws: ``SandboxError`` with `noServer`.
    static func freePort() throws(SandboxError) -> Int {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw SandboxError(.noServer, "no socket for a port", underlying: systemReason(errno)) }
        defer { close(fd) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(fd, generic, size) == 0 ? getsockname(fd, generic, &size) : -1
            }
        }
        guard result == 0 else { throw SandboxError(.noServer, "no free port", underlying: systemReason(errno)) }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// Whether an SSH server answers at an address, with its greeting, within a second.
    static func greets(address text: String, port: Int) -> Bool {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return false }
        defer { close(fd) }
        var limit = timeval(tv_sec: answerSeconds, tv_usec: 0)
        let limitSize = socklen_t(MemoryLayout<timeval>.size)
        guard setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, limitSize) == 0,
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, limitSize) == 0
        else { return false }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        guard inet_pton(AF_INET, text, &address.sin_addr) == 1 else { return false }
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                connect(fd, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { return false }
        var bytes = [UInt8](repeating: 0, count: greeting.count)
        let count = recv(fd, &bytes, bytes.count, Int32(MSG_WAITALL))
        return count == greeting.count && bytes == greeting
    }
}
