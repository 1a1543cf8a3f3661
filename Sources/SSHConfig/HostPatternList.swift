/// A list of host patterns with `*`, `?` and `!`, as ssh_config(5) has them under PATTERNS.
///
/// A name matches when some pattern matches and no negated one does. Works on bytes, in time bounded by pattern times
/// name; the caller lowers the case of both sides.
struct HostPatternList: Sendable, Equatable {
    /// The bytes that make a name a pattern.
    static let special: [UInt8] = [ASCII.star, ASCII.question, ASCII.bang]

    private var patterns: [[UInt8]]

    /// Takes the patterns, each with its `!` if it has one.
    init(_ patterns: [[UInt8]]) {
        self.patterns = patterns
    }

    /// Whether the list as a whole matches a name.
    func matches(_ name: [UInt8]) -> Bool {
        var isMatched = false
        for pattern in patterns {
            if pattern.first == ASCII.bang {
                if HostPatternList.glob(pattern.dropFirst(), matches: name) { return false }
            } else if !isMatched {
                isMatched = HostPatternList.glob(pattern[...], matches: name)
            }
        }
        return isMatched
    }

    /// One pattern without negation: on a mismatch, go back to the last star and let it take one byte more.
    static func glob(_ pattern: ArraySlice<UInt8>, matches name: [UInt8]) -> Bool {
        var position = pattern.startIndex
        var index = 0
        var star: (position: Int, index: Int)?
        while index < name.count {
            if position < pattern.endIndex, pattern[position] == ASCII.star {
                star = (position, index)
                position += 1
            } else if position < pattern.endIndex,
                pattern[position] == ASCII.question || pattern[position] == name[index]
            {
                position += 1
                index += 1
            } else if let last = star {
                position = last.position + 1
                index = last.index + 1
                star = (last.position, index)
            } else {
                return false
            }
        }
        return pattern[position...].allSatisfy { $0 == ASCII.star }
    }
}
