import SSH
import WireProtocol

// The command line that a host's login shell gets. That shell may be sh, csh or fish, so only what all of them read
// alike is used: words in single quotes. Within those a line end or `!` means something to csh, and a backslash to
// fish; a script or value with one of these travels with printf's octal escapes, and /bin/sh takes them out.
//
//     exec env COORD_ENTRY='RUN.ENTRY.ATTEMPT' NAME='value' /bin/sh -c 'SCRIPT'
//
// `exec` all the way, so that the process the server starts is the script's shell. Every descendant carries
// COORD_ENTRY in its environment: by that they are found when they have to be ended.

/// One step as a command for the host.
struct WorkerCommand {
    /// What the login shell gets.
    let line: [UInt8]
    /// What goes to its standard input; the script itself when the line would be too long.
    let input: [UInt8]

    /// The longest line: servers behind libssh2 1.10 get no more than 34.7 KB.
    static let lineLimit = 32_000

    /// The variable by which the processes of one attempt are found.
    static func marker(_ job: WireWorkerJob) -> String {
        "COORD_ENTRY=\(job.runID).\(job.lease.entry).\(job.lease.attempt)"
    }

    init(script: String, job: WireWorkerJob) {
        var words = "exec env"
        var prelude = ""
        for (name, value) in WorkerCommand.environment(of: job) {
            if WorkerCommand.needsEscapes(value) {
                prelude += "\(name)=\(WorkerCommand.quoted(value)); export \(name); "
            } else {
                words += " \(name)=\(WorkerCommand.quoted(value))"
            }
        }
        let whole = prelude + script
        let direct = words + " /bin/sh -c " + WorkerCommand.inline(whole)
        if direct.utf8.count <= WorkerCommand.lineLimit {
            line = Array(direct.utf8)
            input = []
        } else {
            // The x keeps line ends at the script's end, which $( ) would take away.
            let reader = "s=$(cat; printf x); s=${s%x}; exec </dev/null; eval \"unset s; $s\""
            line = Array((words + " /bin/sh -c '" + reader + "'").utf8)
            input = Array(whole.utf8)
        }
    }

    /// A command that is not part of the task and carries no marker.
    init(unmarked script: String) {
        line = Array(("exec /bin/sh -c " + WorkerCommand.inline(script)).utf8)
        input = []
    }

    private static func environment(of job: WireWorkerJob) -> [(String, String)] {
        var variables = [
            ("COORD_RUN", job.runID), ("COORD_HOST", job.lease.host), ("COORD_INDEX", String(job.lease.index)),
            ("COORD_TOTAL", String(job.lease.total)), ("COORD_TASK", job.task.name),
            ("COORD_ENTRY", String(marker(job).dropFirst("COORD_ENTRY=".count))),
        ]
        for variable in job.task.environment {
            variables.append((variable.name, variable.value))
        }
        return variables
    }

    /// A script as the last words of `/bin/sh -c`.
    private static func inline(_ script: String) -> String {
        guard needsEscapes(script) else { return quoted(script) }
        return "'s=$(printf %b \"$1\"); shift; eval \"unset s; $s\"' sh " + quoted(escaped(script))
    }

    private static func needsEscapes(_ text: String) -> Bool {
        text.utf8.contains { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "!") || $0 == UInt8(ascii: "\\") }
    }

    private static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): bytes += Array("\\0012".utf8)
            case UInt8(ascii: "!"): bytes += Array("\\0041".utf8)
            case UInt8(ascii: "\\"): bytes += Array("\\0134".utf8)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func quoted(_ text: String) -> String {
        var result = "'"
        for character in text.unicodeScalars {
            if character == "'" {
                result += "'\\''"
            } else {
                result.unicodeScalars.append(character)
            }
        }
        return result + "'"
    }
}
