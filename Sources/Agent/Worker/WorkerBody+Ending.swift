import SSH
import WireProtocol

// Ending a command without a signal request (libssh2 1.10 has none) and without a terminal: a second channel looks for
// the processes that carry this attempt's COORD_ENTRY in their environment, asks them to end, and kills them 2 s
// later. What another user owns (sudo) hides its environment, but is in the same login session: then the answer is
// that something is left.

extension WorkerBody {
    private static let endingMilliseconds: UInt64 = 5000
    /// The answer is one word; more is not read.
    private static let answerLimit = 64

    /// Ends what runs on the host; nil when it is known to be gone, or else why that is not known. Takes 5 s at most.
    func endRemote(_ session: SSHSession) -> String? {
        let deadline = clock.now().advanced(byMilliseconds: WorkerBody.endingMilliseconds)
        do throws(SSHError) {
            let channel = try soon(session, deadline) { () throws(SSHError) in try session.openChannel() }
            guard let channel else { return "the host gave no answer" }
            let command = WorkerCommand(unmarked: endingScript)
            guard try soon(session, deadline, { () throws(SSHError) in try channel.exec(command.line) }) != nil else {
                return "the host gave no answer"
            }
            guard let answer = try readAnswer(session, channel, until: deadline) else {
                return "the host gave no answer within 5 s"
            }
            switch answer {
            case "ended": return nil
            case "left": return "processes are left that could not be killed"
            case "unknown": return "the host has no /proc or no grep -z to find its processes with"
            default: return "the host's answer made no sense: \(SSHText.line(Array(answer.utf8)))"
            }
        } catch {
            return error.description
        }
    }

    private func soon<Value>(
        _ session: SSHSession,
        _ deadline: WorkerInstant,
        _ call: () throws(SSHError) -> SSHProgress<Value>
    ) throws(SSHError) -> Value? {
        while clock.now() < deadline {
            if case .done(let value) = try call() { return value }
            wait(for: session, until: deadline)
        }
        return nil
    }

    private func readAnswer(
        _ session: SSHSession,
        _ channel: SSHChannel,
        until deadline: WorkerInstant
    ) throws(SSHError) -> String? {
        var answer: [UInt8] = []
        let newline = UInt8(ascii: "\n")
        while answer.count < WorkerBody.answerLimit, !answer.contains(newline), !channel.isAtEnd {
            let count = try soon(session, deadline) { () throws(SSHError) -> SSHProgress<Int> in
                let room = UnsafeMutableRawBufferPointer(rebasing: scratch[..<WorkerBody.answerLimit])
                if case .done(let count) = try channel.read(.standardOutput, into: room) { return .done(count) }
                if channel.isAtEnd { return .done(0) }
                if let loss = session.connectionLoss { throw loss }
                return .wouldBlock
            }
            guard let count else { return nil }
            answer.append(contentsOf: scratch[..<count])
        }
        return String(decoding: answer.prefix { $0 != newline }, as: UTF8.self)
    }

    /// Prints one word: ended, left, or unknown.
    private var endingScript: String {
        let marker = WorkerCommand.marker(job)
        return """
            e='\(marker)'
            printf 'x\\0' | grep -qzx x 2>/dev/null && [ -r /proc/self/environ ] || { echo unknown; exit; }
            find() { grep -lzxF -e "$e" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\\n'; }
            session() { sed -n 's/.*) [^Z] [0-9]* [0-9]* \\([0-9]*\\) .*/\\1/p' "$@" 2>/dev/null; }
            pids=$(find)
            [ -n "$pids" ] || { sleep 0.2 2>/dev/null; pids=$(find); }
            sessions=$(for pid in $pids; do session /proc/$pid/stat; done | sort -u)
            gone() {
                pids=$(find)
                [ -z "$pids" ] || return 1
                [ -z "$sessions" ] || ! session /proc/[0-9]*/stat | grep -qxF -e "$sessions"
            }
            [ -z "$pids" ] || kill -TERM $pids 2>/dev/null
            n=0
            while [ $n -lt 20 ]; do
                gone && { echo ended; exit; }
                sleep 0.1 2>/dev/null || { sleep 1; n=$((n + 9)); }
                n=$((n + 1))
            done
            n=0
            while [ $n -lt 5 ]; do
                [ -z "$pids" ] || kill -KILL $pids 2>/dev/null
                sleep 0.1 2>/dev/null || sleep 1
                gone && { echo ended; exit; }
                n=$((n + 1))
            done
            echo left
            """
    }
}
