/// Bytes that others wrote, made fit for a message.
public enum SSHText {
    /// The bytes as one line of printable ASCII: everything else as `\xNN`; cut after `limit` bytes with "…".
    public static func line(_ bytes: some Collection<UInt8>, limit: Int = 200) -> String {
        var text = ""
        for byte in bytes.prefix(limit) {
            if (0x20...0x7e).contains(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\x"
                text.unicodeScalars.append(Unicode.Scalar(hexDigits[Int(byte >> 4)]))
                text.unicodeScalars.append(Unicode.Scalar(hexDigits[Int(byte & 15)]))
            }
        }
        return bytes.count > limit ? text + "…" : text
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)
}
