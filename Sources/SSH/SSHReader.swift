// The data types of RFC 4251, section 5, read from bytes that may be cut or forged: every read may answer nil.

struct SSHReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    /// Bytes not read yet.
    var remaining: Int { bytes.endIndex - position }

    mutating func byte() -> UInt8? {
        take(1)?.first
    }

    mutating func uint32() -> UInt32? {
        take(4)?.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// A `string`: a length and so many bytes.
    mutating func string() -> ArraySlice<UInt8>? {
        guard let count = uint32() else { return nil }
        return take(Int(count))
    }

    /// A `name-list`: a string of names with commas between them.
    mutating func nameList() -> [String]? {
        guard let bytes = string() else { return nil }
        return bytes.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
    }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= remaining else { return nil }
        defer { position += count }
        return bytes[position..<(position + count)]
    }
}

extension [UInt8] {
    /// Appends a `uint32`.
    mutating func appendUInt32(_ value: UInt32) {
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Appends a `string`.
    mutating func appendString(_ bytes: some Collection<UInt8>) {
        appendUInt32(UInt32(bytes.count))
        append(contentsOf: bytes)
    }
}
