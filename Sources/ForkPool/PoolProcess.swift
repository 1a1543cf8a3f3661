import CForkPool
import Glibc

/// The pool process itself: forks, reaps, reports.
struct PoolProcess {
    let control: Int32
    private var workers: [Int32: WorkerID] = [:]

    init(control: Int32) {
        self.control = control
    }

    /// Serves the agent until it goes away.
    consuming func run(worker: (Int32) -> Never) -> Never {
        // Ctrl-C and hang-ups of a terminal are the coordinator's to deal with.
        let ignored = [SIGINT, SIGHUP, SIGPIPE, SIGTERM]
        for number in ignored { signal(number, SIG_IGN) }
        let watched = [SIGCHLD]
        let signals = cforkpool_signal_descriptor(watched, watched.count)
        guard signals >= 0 else { _exit(71) }

        serving: while true {
            var items = [
                pollfd(fd: control, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&items, 2, -1) < 0 {
                if errno == EINTR { continue }
                break
            }
            if items[1].revents != 0 {
                cforkpool_drain_signals(signals)
                reap()
            }
            if items[0].revents != 0 {
                var packet = [UInt8](repeating: 0, count: PoolMessage.limit)
                var socket: Int32 = -1
                let count = cforkpool_receive(control, &packet, packet.count, &socket)
                guard count > 0 else { break serving }
                switch PoolMessage(decoding: packet[..<count]) {
                case .spawn(let id, let title):
                    if socket >= 0 {
                        spawn(id, title: title, socket: socket, signals: signals, worker: worker)
                    } else {
                        // At the limit of descriptors the kernel drops what was attached.
                        tell(.failed(id, errno: EMFILE))
                    }
                case .kill(let id):
                    for (pid, worker) in workers where worker == id { kill(pid, SIGKILL) }
                case .started, .ended, .failed, nil: break
                }
                if socket >= 0 { close(socket) }
            }
        }
        tearDown(signals: signals)
    }

    private mutating func spawn(
        _ id: WorkerID,
        title: [String],
        socket: Int32,
        signals: Int32,
        worker: (Int32) -> Never
    ) {
        let pid = cforkpool_fork()
        if pid == 0 {
            close(control)
            close(signals)
            let defaults = [SIGINT, SIGHUP, SIGTERM, SIGCHLD]
            cforkpool_reset_signals(defaults, defaults.count)
            ProcessTitle.set(title)
            worker(socket)
        }
        if pid < 0 {
            tell(.failed(id, errno: -pid))
        } else {
            workers[pid] = id
            tell(.started(id, pid: pid))
        }
    }

    private mutating func reap() {
        var status: Int32 = 0
        while true {
            let pid = waitpid(-1, &status, WNOHANG)
            guard pid > 0 else { return }
            if let id = workers.removeValue(forKey: pid) { tell(.ended(id, waitStatus: status)) }
        }
    }

    private func tell(_ message: PoolMessage) {
        // A failure means that the agent is gone, which the next receive shows.
        let bytes = message.encoded
        _ = cforkpool_send(control, bytes, bytes.count, -1)
    }

    private mutating func tearDown(signals: Int32) -> Never {
        var waits = Int(ForkPool.teardownGrace * 10)
        while !workers.isEmpty {
            var item = pollfd(fd: signals, events: Int16(POLLIN), revents: 0)
            _ = poll(&item, 1, 100)
            cforkpool_drain_signals(signals)
            reap()
            waits -= 1
            if waits == 0 { for pid in workers.keys { kill(pid, SIGKILL) } }
            if waits < -50 { break }
        }
        _exit(0)
    }
}
