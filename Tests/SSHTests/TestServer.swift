import Glibc
import Testing

// A real sshd on a free port of loopback, with its own keys, in its own folder; gone with the object. It logs in the
// user who runs the tests.

/// What a test needs and cannot have.
struct TestFailure: Error, CustomStringConvertible {
    let description: String
}

/// A folder of its own below /tmp.
final class TestFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/coord-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure(description: "mkdtemp: \(errno)") }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        // A session of sshd that is just ending may write into it once more.
        for attempt in 1...100 {
            do {
                return try run("/bin/rm", "-rf", path)
            } catch {
                if attempt == 100 { Issue.record(error) }
                poll(nil, 0, 50)
            }
        }
    }

    func write(_ name: String, _ text: String) throws -> String {
        let path = "\(self.path)/\(name)"
        guard let file = fopen(path, "w") else { throw TestFailure(description: "\(path): \(errno)") }
        fputs(text, file)
        fclose(file)
        chmod(path, 0o600)
        return path
    }

    func makeKey(_ name: String, type: String = "ed25519", passphrase: String = "") throws -> String {
        let path = "\(self.path)/\(name)"
        try run("/usr/bin/ssh-keygen", "-q", "-t", type, "-N", passphrase, "-C", name, "-f", path)
        return path
    }
}

/// Starts a program.
func spawn(_ arguments: [String]) throws -> pid_t {
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
    guard code == 0 else { throw TestFailure(description: "\(arguments[0]): \(code)") }
    return pid
}

/// Runs a program to its end.
func run(_ arguments: String...) throws {
    let pid = try spawn(arguments)
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    guard status == 0 else { throw TestFailure(description: "\(arguments) ended with \(status)") }
}

func readText(_ path: String) throws -> String {
    guard let file = fopen(path, "r") else { throw TestFailure(description: "\(path): \(errno)") }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
}

func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
}

/// A socket that listens on a free port of loopback.
func listenOnFreePort() throws -> (fd: Int32, port: UInt16) {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = loopback(0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            bind(fd, generic, size) + listen(fd, 16) + getsockname(fd, generic, &size)
        }
    }
    guard code == 0 else { throw TestFailure(description: "no free port: \(errno)") }
    return (fd, UInt16(bigEndian: address.sin_port))
}

/// A connected socket.
func connectTo(_ port: UInt16) -> Int32? {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = loopback(port)
    let code = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            connect(fd, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    if code == 0 { return fd }
    close(fd)
    return nil
}

/// A real sshd.
final class TestServer {
    let folder: TestFolder
    let port: UInt16
    let user: String
    let userKey: String
    private let pid: pid_t

    var hostKeyFile: String { "\(folder.path)/host_ed25519.pub" }
    var log: String {
        do {
            return try readText("\(folder.path)/log")
        } catch {
            return "no log: \(error)"
        }
    }

    init(hostKeyTypes: [String] = ["ed25519"], options: String = "") throws {
        folder = try TestFolder()
        guard let entry = getpwuid(getuid()) else { throw TestFailure(description: "no user") }
        user = String(cString: entry.pointee.pw_name)
        if getuid() == 0 { mkdir("/run/sshd", 0o755) }
        userKey = try folder.makeKey("user")
        _ = try folder.write("authorized_keys", readText(userKey + ".pub"))
        let listener = try listenOnFreePort()
        port = listener.port
        close(listener.fd)
        var config = """
            ListenAddress 127.0.0.1
            Port \(port)
            AuthorizedKeysFile \(folder.path)/authorized_keys
            PidFile none
            StrictModes no
            UsePAM no
            PermitRootLogin yes
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            LogLevel VERBOSE
            \(options)

            """
        for type in hostKeyTypes {
            config += "HostKey \(try folder.makeKey("host_\(type)", type: type))\n"
        }
        let path = try folder.write("sshd_config", config)
        pid = try spawn(["/usr/sbin/sshd", "-D", "-f", path, "-E", "\(folder.path)/log"])
        // Its listening socket shows that it is ready; each try waits for the kernel only.
        for _ in 0..<1000 {
            if let fd = connectTo(port) {
                close(fd)
                return
            }
            poll(nil, 0, 10)
        }
        throw TestFailure(description: "sshd does not listen: \(log)")
    }

    deinit {
        kill(pid, SIGTERM)
        waitpid(pid, nil, 0)
    }
}
