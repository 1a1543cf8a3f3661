import Glibc
import Testing

@testable import Coordfile

/// A folder of its own, gone when the test is over.
private final class TemporaryFolder {
    let path: String

    init() throws {
        let template = try #require(strdup("/tmp/coordfile-XXXXXX"))
        defer { free(template) }
        let name = try #require(mkdtemp(template))
        let resolved = try #require(realpath(name, nil))
        defer { free(resolved) }
        path = String(cString: resolved)
    }

    deinit {
        for name in ["a/b/Coordfile.yaml", "a/Coordfile.yaml", "Coordfile.yaml"] { unlink("\(path)/\(name)") }
        for name in ["a/b/Coordfile.yaml", "a/b", "a", ""] { rmdir("\(path)/\(name)") }
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }

    func folder(_ name: String) throws {
        try #require(mkdir("\(path)/\(name)", 0o700) == 0)
    }
}

@Suite struct TaskFileTests {
    @Test func aFileIsLoaded() throws {
        let folder = try TemporaryFolder()
        try folder.write("Coordfile.yaml", Array("defaults: {identity: k}\ntasks: {a: {run: x}}\n".utf8))
        let file = try Coordfile.load(path: "\(folder.path)/Coordfile.yaml")
        #expect(file.tasks.map(\.name) == ["a"])
        #expect(file.settings(forHost: "h").identity == "\(folder.path)/k")
    }

    @Test(
        arguments: [
            (Array("tasks: {a: {run: x}}\n# \u{E4}".utf8.dropLast()), 2, 3),
            ([0xFF, 0xFE, 0x61, 0x00], 1, 1),
            (Array("a: b\n".utf8) + [0xE4], 2, 1),
            (Array("a\r\n\u{E4}\u{E4}".utf8) + [0xED, 0xA0, 0x80], 2, 3),
        ]
    )
    func whatIsNotUTF8IsRefused(_ row: (bytes: [UInt8], line: Int, column: Int)) throws {
        let folder = try TemporaryFolder()
        try folder.write("Coordfile.yaml", row.bytes)
        let error = try #require(throws: CoordfileError.self) {
            try Coordfile.load(path: "\(folder.path)/Coordfile.yaml")
        }
        #expect(error.code == .notText)
        #expect(error.line == row.line && error.column == row.column, "\(error)")
    }

    @Test func aFileTooLargeIsRefused() throws {
        let folder = try TemporaryFolder()
        try folder.write("Coordfile.yaml", [UInt8](repeating: UInt8(ascii: "#"), count: Coordfile.maximumBytes + 1))
        let error = try #require(throws: CoordfileError.self) {
            try Coordfile.load(path: "\(folder.path)/Coordfile.yaml")
        }
        #expect(error.code == .tooLarge)
    }

    @Test(
        arguments: [
            ("/nowhere/Coordfile.yaml", CoordfileError.Code.notFound), ("/dev/null/x", .notFound),
            ("/tmp", .unreadable),
            ("a\0b", .notFound), ("", .notFound), ("/dev/null", .empty),
        ]
    )
    func whatIsNoFileIsRefused(_ row: (path: String, code: CoordfileError.Code)) throws {
        let error = try #require(throws: CoordfileError.self) { try Coordfile.load(path: row.path) }
        #expect(error.code == row.code, "\(error)")
    }

    @Test func theNearestFileAboveIsFound() throws {
        let folder = try TemporaryFolder()
        try folder.folder("a")
        try folder.folder("a/b")
        #expect(Coordfile.find(from: "\(folder.path)/a/b") == nil)
        try folder.write("Coordfile.yaml", [])
        #expect(Coordfile.find(from: "\(folder.path)/a/b") == "\(folder.path)/Coordfile.yaml")
        try folder.write("a/Coordfile.yaml", [])
        try folder.folder("a/b/Coordfile.yaml")  // a folder of that name is no task file
        #expect(Coordfile.find(from: "\(folder.path)/a/b") == "\(folder.path)/a/Coordfile.yaml")
        #expect(Coordfile.find(from: "\(folder.path)/a/b/../..") == "\(folder.path)/Coordfile.yaml")
        #expect(Coordfile.find(named: "Other.yaml", from: folder.path) == nil)
        #expect(Coordfile.find(from: "\(folder.path)/nowhere") == nil)
    }
}
