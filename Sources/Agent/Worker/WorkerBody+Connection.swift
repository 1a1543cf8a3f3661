import Glibc
import SSH
import WireProtocol

extension WorkerBody {
    /// Resolves the name and connects to one of its addresses, in their order; what is left of the time is shared
    /// among those not tried yet.
    func connect(until deadline: WorkerInstant) throws(WorkerEnd) -> SSHSession {
        enter(.resolve)
        let addresses = try resolve(until: deadline)
        enter(.connect)
        var failures: [String] = []
        for (index, address) in addresses.enumerated() {
            let now = clock.now()
            let share = now.milliseconds(until: deadline) / UInt64(addresses.count - index)
            switch try connect(to: address, until: min(deadline, now.advanced(byMilliseconds: share))) {
            case .connected(let fd):
                do throws(SSHError) {
                    return try SSHSession(adopting: fd)
                } catch {
                    throw end(.unreachable, "\(host): \(error)")
                }
            case .failed(let reason): failures.append("\(address.text) port \(endpoint.port): \(reason)")
            }
        }
        throw end(.unreachable, "cannot connect to \(host): " + failures.joined(separator: "; "))
    }

    // MARK: Names

    /// One address of a host.
    struct Address {
        fileprivate let family: Int32
        fileprivate let bytes: [UInt8]
        /// As numbers.
        fileprivate let text: String
    }

    /// More addresses than this of one name are not tried.
    private static let addressLimit = 16

    private func resolve(until deadline: WorkerInstant) throws(WorkerEnd) -> [Address] {
        if let numeric = lookUp(AI_NUMERICHOST | AI_NUMERICSERV).addresses { return numeric }
        // getaddrinfo(3) cannot be given a deadline. The alarm's default action is death, and the agent knows what it
        // means in this stage.
        try checkBeforeStart()
        let remaining = clock.now().milliseconds(until: deadline)
        guard remaining > 0 else { throw end(.unreachable, "no time left to look up \(name)") }
        setAlarm(milliseconds: remaining)
        let (addresses, code) = lookUp(AI_NUMERICSERV)
        setAlarm(milliseconds: 0)
        if let addresses { return addresses }
        let reason = code == EAI_SYSTEM ? String(cString: strerror(errno)) : String(cString: gai_strerror(code))
        throw end(.unreachable, "cannot look up \(name): \(reason)")
    }

    /// The address as messages name it.
    private var name: String { SSHText.line(Array(endpoint.address.utf8)) }

    private func lookUp(_ flags: Int32) -> (addresses: [Address]?, code: Int32) {
        var hints = addrinfo()
        hints.ai_flags = flags
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(endpoint.address, String(endpoint.port), &hints, &list)
        guard code == 0, let list else { return (nil, code) }
        defer { freeaddrinfo(list) }
        var addresses: [Address] = []
        var next: UnsafeMutablePointer<addrinfo>? = list
        while let entry = next?.pointee, addresses.count < WorkerBody.addressLimit {
            if let address = entry.ai_addr {
                let bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen)))
                let text = numericText(address, entry.ai_addrlen)
                addresses.append(Address(family: entry.ai_family, bytes: bytes, text: text))
            }
            next = entry.ai_next
        }
        return (addresses, 0)
    }

    private func numericText(_ address: UnsafeMutablePointer<sockaddr>, _ size: socklen_t) -> String {
        var text = [UInt8](repeating: 0, count: Int(NI_MAXHOST))
        let code = text.withUnsafeMutableBytes { bytes in
            getnameinfo(
                address,
                size,
                bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                socklen_t(bytes.count),
                nil,
                0,
                NI_NUMERICHOST
            )
        }
        return code == 0 ? String(decoding: text.prefix { $0 != 0 }, as: UTF8.self) : name
    }

    private func setAlarm(milliseconds: UInt64) {
        if milliseconds > 0 {
            signal(SIGALRM, SIG_DFL)
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, SIGALRM)
            sigprocmask(SIG_UNBLOCK, &set, nil)
        }
        var timer = itimerval()
        timer.it_value.tv_sec = Int(milliseconds / 1000)
        timer.it_value.tv_usec = Int(milliseconds % 1000 * 1000)
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
    }

    // MARK: TCP

    private enum Connected {
        case connected(Int32)
        case failed(String)
    }

    private func connect(to address: Address, until deadline: WorkerInstant) throws(WorkerEnd) -> Connected {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let fd = socket(address.family, kind, 0)
        guard fd >= 0 else { return .failed(String(cString: strerror(errno))) }
        do throws(WorkerEnd) {
            if let failure = try connectErrno(fd, address, until: deadline) {
                close(fd)
                return .failed(failure)
            }
        } catch {
            close(fd)
            throw error
        }
        var on: Int32 = 1
        setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        return .connected(fd)
    }

    /// Why a connection was not made; nil when it was.
    private func connectErrno(
        _ fd: Int32,
        _ address: Address,
        until deadline: WorkerInstant
    ) throws(WorkerEnd) -> String? {
        let started = clock.now()
        let code = address.bytes.withUnsafeBytes { bytes in
            Glibc.connect(fd, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        if code == 0 { return nil }
        guard errno == EINPROGRESS else { return String(cString: strerror(errno)) }
        while true {
            var poller = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
            if poll(&poller, 1, 0) == 1 {
                var number: Int32 = 0
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size)
                return number == 0 ? nil : String(cString: strerror(number))
            }
            try checkBeforeStart()
            let now = clock.now()
            if now >= deadline { return "no answer within \(seconds(now.seconds(since: started)))" }
            wait(until: deadline, socket: fd, events: Int16(POLLOUT))
        }
    }

    /// Seconds for a message: "2.5 s".
    func seconds(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }

    // MARK: Key exchange

    /// Exchanges banners and keys.
    func exchangeKeys(_ session: SSHSession, until deadline: WorkerInstant) throws(WorkerEnd) {
        enter(.handshake)
        let started = clock.now()
        do throws(SSHError) {
            try offerKnownKeys(session)
        } catch {
            throw explainUncheckable(error)
        }
        while true {
            do throws(SSHError) {
                switch try session.handshake() {
                case .done: return
                case .wouldBlock: break
                }
            } catch {
                throw explainHandshake(error, session)
            }
            try checkBeforeStart()
            let now = clock.now()
            if now >= deadline {
                let heard = session.serverBanner == nil ? session.heardBeforeBanner : ""
                let waited = seconds(now.seconds(since: started))
                throw end(.unreachable, "\(host): no key exchange within \(waited) of connecting\(heard)")
            }
            wait(for: session, until: deadline)
        }
    }

    private func explainHandshake(_ error: SSHError, _ session: SSHSession) -> WorkerEnd {
        if error.code == .noCommonAlgorithm {
            return end(.refused, explainNoCommonAlgorithm(error, session))
        }
        if session.wasTurnedAway { return .turnedAway("\(error)") }
        return end(.unreachable, "\(host): \(error)")
    }
}
