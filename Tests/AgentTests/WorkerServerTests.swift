import Glibc
import Testing

// A real sshd on a free port of loopback, with its own keys, in its own folder; gone with the object. It logs in the
// user who runs the tests.

/// What a test of the worker needs and cannot have.
struct WorkerTestFailure: Error, CustomStringConvertible {
    let description: String
}

/// A real sshd.
final class WorkerTestServer {
    let folder: String
    let port: UInt16
    let user: String
    private let pid: pid_t

    var userKey: String { "\(folder)/user" }
    var log: String {
        do {
            return try WorkerTestServer.read("\(folder)/log")
        } catch {
            return "no log: \(error)"
        }
    }

    init(hostKeyTypes: [String] = ["ed25519"], options: String = "") throws {
        var template = Array("/tmp/coord-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw WorkerTestFailure(description: "mkdtemp: \(errno)") }
        folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        guard let entry = getpwuid(getuid()) else { throw WorkerTestFailure(description: "no user") }
        user = String(cString: entry.pointee.pw_name)
        if getuid() == 0 { mkdir("/run/sshd", 0o755) }
        let listener = try WorkerTestServer.listenOnFreePort()
        port = listener.port
        close(listener.fd)
        var config = """
            ListenAddress 127.0.0.1
            Port \(port)
            AuthorizedKeysFile \(folder)/user.pub
            PidFile none
            StrictModes no
            UsePAM no
            PermitRootLogin yes
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            \(options)

            """
        for name in ["user"] + hostKeyTypes {
            let type = name == "user" ? "ed25519" : name
            try WorkerTestServer.run(
                "/usr/bin/ssh-keygen",
                "-q",
                "-t",
                type,
                "-N",
                "",
                "-C",
                name,
                "-f",
                "\(folder)/\(name)"
            )
            if name != "user" { config += "HostKey \(folder)/\(name)\n" }
        }
        try WorkerTestServer.write("\(folder)/config", config)
        pid = try WorkerTestServer.spawn(["/usr/sbin/sshd", "-D", "-f", "\(folder)/config", "-E", "\(folder)/log"])
        for _ in 0..<1000 {
            if let fd = WorkerTestServer.connect(port) {
                close(fd)
                return
            }
            poll(nil, 0, 10)
        }
        throw WorkerTestFailure(description: "sshd does not listen: \(log)")
    }

    deinit {
        kill(pid, SIGTERM)
        waitpid(pid, nil, 0)
        // A session of sshd that is just ending may write into it once more.
        for attempt in 1...100 {
            do {
                return try WorkerTestServer.run("/bin/rm", "-rf", folder)
            } catch {
                if attempt == 100 { Issue.record(error) }
                poll(nil, 0, 50)
            }
        }
    }

    /// Kills the processes that serve its connections.
    func killSessions() throws {
        try WorkerTestServer.run("/usr/bin/pkill", "-KILL", "-P", String(pid))
    }

    /// The blob in FILE.pub.
    func blob(_ name: String) throws -> [UInt8] {
        let fields = try WorkerTestServer.read("\(folder)/\(name).pub").split(separator: " ")
        return try WorkerTestServer.decodeBase64(String(fields[1]))
    }

    // MARK: Helpers

    static func decodeBase64(_ text: String) throws -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var bits = 0
        var held = 0
        var bytes: [UInt8] = []
        for character in text.utf8 where character != UInt8(ascii: "=") {
            guard let value = alphabet.firstIndex(of: character) else {
                throw WorkerTestFailure(description: "no base64: \(text)")
            }
            held = (held << 6 | value) & 0xffff
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: held >> bits))
            }
        }
        return bytes
    }

    static func spawn(_ arguments: [String]) throws -> pid_t {
        var pid: pid_t = 0
        var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        vector.append(nil)
        defer { vector.forEach { free($0) } }
        // The threads that tests run on block signals, and the program must not inherit that.
        var attributes = posix_spawnattr_t()
        var mask = sigset_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let code = posix_spawn(&pid, arguments[0], nil, &attributes, vector, environ)
        guard code == 0 else { throw WorkerTestFailure(description: "\(arguments[0]): \(code)") }
        return pid
    }

    static func run(_ arguments: String...) throws {
        let pid = try spawn(arguments)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        guard status == 0 else { throw WorkerTestFailure(description: "\(arguments) ended with \(status)") }
    }

    static func write(_ path: String, _ text: String) throws {
        guard let file = fopen(path, "w") else { throw WorkerTestFailure(description: "\(path): \(errno)") }
        fputs(text, file)
        fclose(file)
    }

    static func read(_ path: String) throws -> String {
        guard let file = fopen(path, "r") else { throw WorkerTestFailure(description: "\(path): \(errno)") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    /// A socket that listens on a free port of loopback and accepts nobody.
    static func listenOnFreePort() throws -> (fd: Int32, port: UInt16) {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(fd, generic, size) + listen(fd, 16) + getsockname(fd, generic, &size)
            }
        }
        guard code == 0 else { throw WorkerTestFailure(description: "no free port: \(errno)") }
        return (fd, UInt16(bigEndian: address.sin_port))
    }

    static func connect(_ port: UInt16) -> Int32? {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(port)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                Glibc.connect(fd, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if code == 0 { return fd }
        close(fd)
        return nil
    }
}
