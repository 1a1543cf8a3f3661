import Testing

@testable import SSHConfig

@Suite struct Base64Tests {
    @Test(arguments: [
        ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func thereAndBack(plain: String, text: String) {
        #expect(Base64.encode(Array(plain.utf8)) == text)
        #expect(decode(text) == Array(plain.utf8))
    }

    @Test(arguments: [
        "", "Z", "Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Z=g=", "Zm9v ", "Zm 9", "Zm9\n", "Zm9-", "Zm9_",
        "Zm9é",
        "Zm9\u{0}", "Zm9v=", "=m9v",
    ])
    func refused(text: String) {
        #expect(decode(text) == nil)
    }

    private func decode(_ text: String) -> [UInt8]? {
        Array(text.utf8).withUnsafeBufferPointer { Base64.decode($0) }
    }
}
