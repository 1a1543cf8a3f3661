import CForkPool
import Glibc

/// What ps(1) and `pstree -a` show of this process.
public enum ProcessTitle {
    /// Remembers where argv lies. Called once, first thing in main, while there is one thread.
    public static func prepare() {
        cforkpool_title_prepare(CommandLine.argc, CommandLine.unsafeArgv)
    }

    /// Shows `words` as the command line; the first one also as the name (cut to 15 bytes by the kernel).
    ///
    /// Control characters are shown as `?`, and 511 bytes at most stand.
    public static func set(_ words: [String]) {
        var bytes: [CChar] = []
        for word in words {
            for byte in word.utf8 {
                bytes.append(byte < 0x20 || byte == 0x7f ? CChar(UInt8(ascii: "?")) : CChar(bitPattern: byte))
            }
            bytes.append(0)
        }
        if !bytes.isEmpty { bytes.removeLast() }
        _ = cforkpool_title_set(words.first ?? "", bytes, bytes.count)
    }
}
