import Testing

@testable import SSH

/// Small things: base64, fingerprints, escapes, and the readers of foreign bytes.
@Suite struct TextTests {
    @Test(
        arguments: [
            ("", []), ("Zg==", [0x66]), ("Zm8=", [0x66, 0x6f]), ("Zm9v\nYmFy", Array("foobar".utf8)),
        ] as [(String, [UInt8])]
    )
    func base64Decodes(text: String, bytes: [UInt8]) {
        #expect(Base64.decode(text.utf8) == bytes)
        #expect(Base64.encodeUnpadded(bytes) == text.filter { $0 != "=" && $0 != "\n" })
    }

    @Test(arguments: ["!", "Zg=a", "Z", "Zm9v-", "Zm9v YmFy", "Zm9vY"])
    func otherTextIsNoBase64(text: String) {
        #expect(Base64.decode(text.utf8) == nil)
    }

    @Test(arguments: [
        ("plain", "plain"), ("a\nb", "a\\x0ab"), ("\u{1b}[0m", "\\x1b[0m"), ("é", "\\xc3\\xa9"),
        ("\u{202e}", "\\xe2\\x80\\xae"),
        (String(repeating: "x", count: 300), String(repeating: "x", count: 200) + "…"),
    ])
    func linesAreHarmless(text: String, line: String) {
        #expect(SSHText.line(Array(text.utf8)) == line)
    }

    @Test func fingerprintIsOpenSSHs() throws {
        let folder = try TestFolder()
        let path = try folder.makeKey("key")
        try run("/bin/sh", "-c", "ssh-keygen -lf '\(path)' > '\(path).fingerprint'")
        let expected = try readText("\(path).fingerprint").split(separator: " ")[1]
        #expect(SSHPrivateKeyFile.publicKey(besides: path)?.fingerprint == String(expected))
    }

    @Test(
        arguments: [
            [], [0, 0, 0], [0, 0, 0, 5, 1, 2], [0xff, 0xff, 0xff, 0xff, 1], [0, 0, 1, 0],
        ] as [[UInt8]]
    )
    func cutStringsAreNil(bytes: [UInt8]) {
        var reader = SSHReader(bytes[...])
        #expect(reader.string() == nil)
        #expect(SSHPublicKey(blob: bytes).type == "")
    }

    @Test(arguments: [
        "", "SSH-2.0-x", "SSH-2.0-x\r\n", "SSH-2.0-x\r\n\0\0\0\u{c}\u{4}", "nothing\n",
        "SSH-2.0-x\n\0\0\0\u{1}\u{5}aaaaaaaa",
        "SSH-2.0-x\n\0\0\0\u{8}\u{1}\u{15}aaaaaa",
    ])
    func cutOffersAreNil(text: String) {
        #expect(SSHKeyExchangeOffer(clearText: Array(text.utf8)[...]) == nil)
    }

    @Test func warmUpWorks() throws {
        try SSHLibrary.warmUp()
        try SSHLibrary.warmUp()
        #expect(SSHLibrary.version.hasPrefix("1."))
    }
}
