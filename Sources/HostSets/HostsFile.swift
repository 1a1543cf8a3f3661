/// One line of a hosts file that names hosts.
public struct HostsFileEntry: Hashable, Sendable {
    /// The line, from 1.
    public let line: Int
    /// What the line names, without its comment.
    public let expression: HostExpression
    /// `FILE:LINE`, for `HostSetError.located(at:)`.
    public let location: String
}

/// Reads a hosts file: one expression a line; `#` begins a comment at the start of a line or behind a blank.
///
/// - Parameters:
///   - text: the whole file; lines end with LF or CRLF.
///   - named: how messages call the file.
/// - Throws: `HostSetError` for the first line that is wrong, with `FILE:LINE` as its location.
public func parseHostsFile(_ text: String, named: String) throws(HostSetError) -> [HostsFileEntry] {
    var entries: [HostsFileEntry] = []
    var number = 0
    for line in text.utf8.split(separator: ASCII.newline, omittingEmptySubsequences: false) {
        number += 1
        let content = withoutComment(line.last == ASCII.carriageReturn ? line.dropLast() : line)
        if content.allSatisfy(ASCII.isBlank) {
            continue
        }
        let location = "\(named):\(number)"
        do {
            let expression = try HostExpression(parsing: String(decoding: content, as: UTF8.self))
            entries.append(HostsFileEntry(line: number, expression: expression, location: location))
        } catch {
            throw error.located(at: location)
        }
    }
    return entries
}

private func withoutComment(_ line: Substring.UTF8View) -> Substring.UTF8View {
    var isAfterBlank = true
    for index in line.indices {
        if isAfterBlank, line[index] == ASCII.hash {
            return line[..<index]
        }
        isAfterBlank = ASCII.isBlank(line[index])
    }
    return line
}
