// SHA-1 (RFC 3174) and HMAC-SHA1 (RFC 2104), for the hashed names of known_hosts and nothing else: SHA-1 is no
// protection where it matters.
//
// A state is a value of five words, so that a key's two pads are hashed once and then copied for each message.

/// A SHA-1 state, or a finished digest.
struct SHA1: Equatable, Sendable {
    /// Bytes in a digest.
    static let byteCount = 20
    /// Bytes in a block.
    static let blockSize = 64

    private var a: UInt32 = 0x6745_2301
    private var b: UInt32 = 0xEFCD_AB89
    private var c: UInt32 = 0x98BA_DCFE
    private var d: UInt32 = 0x1032_5476
    private var e: UInt32 = 0xC3D2_E1F0

    /// The state before the first block.
    init() {}

    /// A digest from its bytes; nil unless there are 20.
    init?(digest bytes: [UInt8]) {
        guard bytes.count == SHA1.byteCount else { return nil }
        let words = stride(from: 0, to: SHA1.byteCount, by: 4).map { start in
            bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        (a, b, c, d, e) = (words[0], words[1], words[2], words[3], words[4])
    }

    /// The digest of a message.
    static func digest(of message: [UInt8]) -> SHA1 {
        var state = SHA1()
        state.finish(message, bytesBefore: 0)
        return state
    }

    /// The 20 bytes of a digest.
    var bytes: [UInt8] {
        [a, b, c, d, e].flatMap { word in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
        }
    }

    /// Takes the last bytes of a message, after whole blocks of `bytesBefore` bytes; then the state is the digest.
    mutating func finish(_ message: [UInt8], bytesBefore: Int) {
        var padded = message
        padded.append(0x80)
        while padded.count % SHA1.blockSize != SHA1.blockSize - 8 {
            padded.append(0)
        }
        let bitCount = UInt64(bytesBefore + message.count) * 8
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            padded.append(UInt8(truncatingIfNeeded: bitCount >> shift))
        }
        absorb(padded)
    }

    /// Takes whole blocks.
    mutating func absorb(_ blocks: [UInt8]) {
        blocks.withUnsafeBufferPointer { bytes in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 80) { schedule in
                for start in stride(from: 0, to: bytes.count, by: SHA1.blockSize) {
                    compress(UnsafeBufferPointer(rebasing: bytes[start..<start + SHA1.blockSize]), schedule)
                }
            }
        }
    }

    private mutating func compress(_ block: UnsafeBufferPointer<UInt8>, _ words: UnsafeMutableBufferPointer<UInt32>) {
        for index in 0..<16 {
            let start = index * 4
            words[index] =
                UInt32(block[start]) << 24 | UInt32(block[start + 1]) << 16
                | UInt32(block[start + 2]) << 8 | UInt32(block[start + 3])
        }
        for index in 16..<80 {
            let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
            words[index] = SHA1.rotate(mixed, 1)
        }
        let before = self
        for index in 0..<80 {
            let (function, constant): (UInt32, UInt32) =
                switch index {
                case ..<20: (b & c | ~b & d, 0x5A82_7999)
                case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                case ..<60: (b & c | b & d | c & d, 0x8F1B_BCDC)
                default: (b ^ c ^ d, 0xCA62_C1D6)
                }
            let next = SHA1.rotate(a, 5) &+ function &+ e &+ words[index] &+ constant
            (e, d, c, b, a) = (d, c, SHA1.rotate(b, 30), a, next)
        }
        a &+= before.a
        b &+= before.b
        c &+= before.c
        d &+= before.d
        e &+= before.e
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word << count | word >> (32 - count)
    }
}

/// HMAC-SHA1 with its key set up.
struct HMACSHA1: Sendable {
    private var inner = SHA1()
    private var outer = SHA1()

    /// Sets up a key of any length.
    init(key: [UInt8]) {
        var block = key.count > SHA1.blockSize ? SHA1.digest(of: key).bytes : key
        block.append(contentsOf: repeatElement(0, count: SHA1.blockSize - block.count))
        inner.absorb(block.map { $0 ^ 0x36 })
        outer.absorb(block.map { $0 ^ 0x5C })
    }

    /// The code of a message.
    func code(for message: [UInt8]) -> SHA1 {
        var inside = inner
        inside.finish(message, bytesBefore: SHA1.blockSize)
        var result = outer
        result.finish(inside.bytes, bytesBefore: SHA1.blockSize)
        return result
    }
}
