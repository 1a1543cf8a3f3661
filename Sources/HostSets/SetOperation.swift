/// How a term changes the hosts to its left; none binds tighter than another.
enum SetOperation: UInt8, Hashable, Sendable {
    /// `,` adds hosts.
    case union = 0x2C
    /// `!` takes hosts away.
    case difference = 0x21
    /// `&` keeps only common hosts.
    case intersection = 0x26
    /// `^` keeps the hosts that only one side has.
    case symmetricDifference = 0x5E
}
