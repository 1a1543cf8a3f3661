/// What each side of a key exchange offers: the name lists of SSH_MSG_KEXINIT (RFC 4253, section 7.1).
public struct SSHKeyExchangeOffer: Equatable, Sendable {
    /// Key exchange methods.
    public let keyExchanges: [String]
    /// Host key algorithms.
    public let hostKeys: [String]
    /// Ciphers from client to server, and back.
    public let ciphersToServer: [String], ciphersToClient: [String]
    /// MACs from client to server, and back.
    public let macsToServer: [String], macsToClient: [String]

    /// Reads the offer from what a server sent in clear text: lines, its banner, then the packet.
    /// Nil while it is not complete, or when it is something else.
    init?(clearText bytes: ArraySlice<UInt8>) {
        guard let start = SSHBanner(bytes).end else { return nil }
        var packet = SSHReader(bytes[start...])
        guard
            let length = packet.uint32(), let padding = packet.byte(), length > UInt32(padding),
            let payload = packet.take(Int(length) - 1 - Int(padding))
        else { return nil }
        self.init(payload: payload)
    }

    private init?(payload: ArraySlice<UInt8>) {
        var reader = SSHReader(payload)
        guard
            reader.byte() == SSHKeyExchangeOffer.messageNumber, reader.take(SSHKeyExchangeOffer.cookieSize) != nil,
            let keyExchanges = reader.nameList(), let hostKeys = reader.nameList(),
            let ciphersToServer = reader.nameList(), let ciphersToClient = reader.nameList(),
            let macsToServer = reader.nameList(), let macsToClient = reader.nameList()
        else { return nil }
        self.keyExchanges = keyExchanges
        self.hostKeys = hostKeys
        self.ciphersToServer = ciphersToServer
        self.ciphersToClient = ciphersToClient
        self.macsToServer = macsToServer
        self.macsToClient = macsToClient
    }

    private static let messageNumber: UInt8 = 20
    private static let cookieSize = 16
}

/// The first lines of a server's stream (RFC 4253, section 4.2).
struct SSHBanner {
    /// The line that starts with "SSH-", without its end.
    private(set) var line: ArraySlice<UInt8>?
    /// Where the packets start; nil before the banner is complete.
    private(set) var end: Int?

    init(_ bytes: ArraySlice<UInt8>) {
        var start = bytes.startIndex
        while let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            var text = bytes[start..<newline]
            if text.last == UInt8(ascii: "\r") { text.removeLast() }
            if text.starts(with: Array("SSH-".utf8)) {
                line = text
                end = newline + 1
                return
            }
            start = newline + 1
        }
    }

    /// Whether the version is one that SSH 2 is spoken with.
    var isVersion2: Bool {
        guard let line else { return false }
        return line.starts(with: Array("SSH-2.0-".utf8)) || line.starts(with: Array("SSH-1.99-".utf8))
    }
}
