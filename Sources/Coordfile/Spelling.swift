/// The word of a list that was most likely meant, by edit distance.
///
/// Letter case is ignored and two swapped letters count as one edit. Up to a third of the word (at least 1, at most
/// 3 letters) may be wrong. Of several equally near ones the first is taken.
///
/// - Returns: nil when no word is near, or when `word` is longer than 64 characters.
public func nearest(_ word: String, among candidates: [String]) -> String? {
    let longest = 64  // keeps the table small whatever a file holds; no key or flag of ours is longer
    let letters = Array(word.lowercased())
    guard !letters.isEmpty, letters.count <= longest else { return nil }
    let allowed = min(3, max(1, letters.count / 3))
    var best: (word: String, distance: Int)?
    for candidate in candidates {
        let other = Array(candidate.lowercased())
        guard abs(other.count - letters.count) <= allowed else { continue }
        let distance = editDistance(letters, other)
        if distance <= allowed, distance < best?.distance ?? .max {
            best = (candidate, distance)
        }
    }
    return best?.word
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
private func editDistance(_ first: [Character], _ second: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...second.count)
    for row in 1...first.count {
        var current = [row]
        for column in 0..<second.count {
            let replaced = last[column] + (first[row - 1] == second[column] ? 0 : 1)
            var cost = min(replaced, last[column + 1] + 1, current[column] + 1)
            let swapped =
                row > 1 && column > 0
                && first[row - 1] == second[column - 1] && first[row - 2] == second[column]
            if swapped { cost = min(cost, beforeLast[column - 1] + 1) }
            current.append(cost)
        }
        beforeLast = last
        last = current
    }
    return last[second.count]
}
