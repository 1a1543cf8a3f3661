// Which processes belong to a sandbox, read from /proc, and how they are ended.
//
// The listener is known by its command line, which names the sandbox's own sshd_config; sshd rewrites its title to
// "sshd: COMMAND LINE [listener] ...", which still does. Its sessions are its descendants. What a session started
// and left behind is known by its user, where the sandbox made that user, and else by the port in SSH_CONNECTION.
// A process is a number and a start time, so that a number that was given to another process is never signalled.

import Glibc

/// The processes of one sandbox.
struct SandboxProcesses {
    var marker: SandboxMarker

    private static let politeTime: Duration = .seconds(2)
    private static let endTime: Duration = .seconds(15)
    private static let pollMicroseconds: UInt32 = 20_000

    /// sshd's listening process.
    var listener: pid_t? { listener(in: ProcessEntry.all())?.id }

    /// Whether some sshd listens or serves on this machine, be it of a sandbox or the system's own.
    static var isAnyServerRunning: Bool {
        ProcessEntry.all().contains { ProcFile.read("/proc/\($0.id)/comm").elementsEqual("sshd\n".utf8) }
    }

    /// Ends the listener, then its sessions and what they left behind: SIGTERM, and SIGKILL after 2 s.
    ///
    /// - Throws: ``SandboxError`` with `stillRunning` after 15 s.
    func end() throws(SandboxError) {
        let start = ContinuousClock.now
        var targets: Set<ProcessEntry> = []
        var signalled: Set<ProcessEntry> = []
        while true {
            let all = ProcessEntry.all()
            targets.formUnion(members(in: all))
            targets.formIntersection(all)
            if targets.isEmpty { return }
            let elapsed = ContinuousClock.now - start
            guard elapsed < SandboxProcesses.endTime else {
                let numbers = targets.map { String($0.id) }.sorted().joined(separator: ", ")
                throw SandboxError(.stillRunning, "processes of the sandbox do not end: \(numbers)")
            }
            if elapsed > SandboxProcesses.politeTime {
                targets.forEach { kill($0.id, SIGKILL) }
            } else {
                targets.subtracting(signalled).forEach { kill($0.id, SIGTERM) }
                signalled.formUnion(targets)
            }
            usleep(SandboxProcesses.pollMicroseconds)
        }
    }

    private func listener(in all: Set<ProcessEntry>) -> ProcessEntry? {
        all.first { entry in
            let command = ProcFile.read("/proc/\(entry.id)/cmdline").map { $0 == 0 ? UInt8(ascii: " ") : $0 }
            let text = String(decoding: command, as: UTF8.self)
            return (text.hasPrefix("sshd: ") || text.prefix { $0 != " " }.hasSuffix("/sshd"))
                && text.contains(" -f \(marker.serverConfiguration) ")
        }
    }

    private func members(in all: Set<ProcessEntry>) -> [ProcessEntry] {
        var members: Set<pid_t> = []
        if let listener = listener(in: all) {
            members = descendants(of: listener.id, in: all)
            members.insert(listener.id)
        }
        let ours = ownCallers(in: all)
        let ownUser = marker.hasOwnUser ? SandboxUser.find(marker.user) : nil
        for entry in all where !ours.contains(entry.id) {
            if let ownUser, ownUser.comment == marker.userComment {
                if entry.userID == ownUser.id { members.insert(entry.id) }
            } else if entry.userID == geteuid(), isSessionOfPort(entry) {
                members.insert(entry.id)
            }
        }
        return all.filter { members.contains($0.id) }
    }

    private func descendants(of root: pid_t, in all: Set<ProcessEntry>) -> Set<pid_t> {
        let children = Dictionary(grouping: all, by: \.parent)
        var found: Set<pid_t> = []
        var rest = [root]
        while let next = rest.popLast() {
            for child in children[next] ?? [] where found.insert(child.id).inserted {
                rest.append(child.id)
            }
        }
        return found
    }

    /// This process and those above it: whoever runs `coord` from a session of the sandbox keeps that session's shell.
    private func ownCallers(in all: Set<ProcessEntry>) -> Set<pid_t> {
        let parents = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0.parent) })
        var callers: Set<pid_t> = []
        var next: pid_t? = getpid()
        while let id = next, callers.insert(id).inserted {
            next = parents[id]
        }
        return callers
    }

    /// Whether SSH_CONNECTION ("client port server port") names a loopback address and the sandbox's port.
    private func isSessionOfPort(_ entry: ProcessEntry) -> Bool {
        let prefix = "SSH_CONNECTION="
        for variable in ProcFile.read("/proc/\(entry.id)/environ").split(separator: 0) {
            let text = String(decoding: variable, as: UTF8.self)
            guard text.hasPrefix(prefix) else { continue }
            let words = text.dropFirst(prefix.count).split(separator: " ")
            return words.count == 4 && words[2].hasPrefix("127.") && words[3] == "\(marker.port)"
        }
        return false
    }
}

/// A process that has not ended; zombies are left out, since not everyone's init reaps them.
private struct ProcessEntry: Hashable {
    var id: pid_t
    var startTime: UInt64
    var parent: pid_t
    var userID: uid_t

    static func == (left: ProcessEntry, right: ProcessEntry) -> Bool {
        left.id == right.id && left.startTime == right.startTime
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(id)
        hasher.combine(startTime)
    }

    static func all() -> Set<ProcessEntry> {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var entries: Set<ProcessEntry> = []
        while let next = readdir(folder) {
            let name = withUnsafeBytes(of: next.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let id = pid_t(name), let entry = ProcessEntry(id) {
                entries.insert(entry)
            }
        }
        return entries
    }

    /// proc(5): after the name in parentheses come state, parent, and as the 20th the start time.
    private init?(_ id: pid_t) {
        let text = String(decoding: ProcFile.read("/proc/\(id)/stat"), as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X", let parent = pid_t(fields[1]),
            let startTime = UInt64(fields[19])
        else { return nil }
        let status = String(decoding: ProcFile.read("/proc/\(id)/status"), as: UTF8.self)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Uid:") }),
            let word = line.split(whereSeparator: \.isWhitespace).dropFirst().first, let userID = uid_t(word)
        else { return nil }
        self.id = id
        self.startTime = startTime
        self.parent = parent
        self.userID = userID
    }
}

/// Reads files of /proc, whose sizes are not told beforehand.
private enum ProcFile {
    private static let limit = 1 << 20

    /// The bytes; none when the process is gone or may not be looked at.
    static func read(_ path: String) -> [UInt8] {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return [] }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            let count = Glibc.read(fd, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return bytes
    }
}

/// An entry of the user database.
struct SandboxUser {
    var name: String
    var id: uid_t
    var group: gid_t
    var comment: String
    var home: String

    /// The user of a name.
    static func find(_ name: String) -> SandboxUser? {
        getpwnam(name).map { SandboxUser($0.pointee) }
    }

    /// The user that this process acts as.
    static func current() -> SandboxUser? {
        getpwuid(geteuid()).map { SandboxUser($0.pointee) }
    }

    private init(_ entry: passwd) {
        name = String(cString: entry.pw_name)
        id = entry.pw_uid
        group = entry.pw_gid
        comment = String(cString: entry.pw_gecos)
        home = String(cString: entry.pw_dir)
    }
}
