import Glibc
import Testing

/// What a helper of the tests could not do.
struct TestFailure: Error {
    var what: String
    var reason = errno
}

/// Runs `body` with a new folder, and removes the folder and the files in it afterwards.
func withTemporaryFolder<T>(_ body: (String) throws -> T) throws -> T {
    var template = Array("/tmp/coord-ssh-config-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure(what: "mkdtemp") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { removeTree(folder) }
    return try body(folder)
}

/// Writes a whole file.
func writeFile(_ path: String, _ text: String) throws {
    guard let file = fopen(path, "w") else { throw TestFailure(what: "fopen \(path)") }
    defer { fclose(file) }
    guard fputs(text, file) >= 0 else { throw TestFailure(what: "fputs \(path)") }
}

/// Reads a whole file of text.
func readFile(_ path: String) throws -> String {
    guard let file = fopen(path, "r") else { throw TestFailure(what: "fopen \(path)") }
    defer { fclose(file) }
    return readAll(file)
}

/// Reads a stream of text to its end.
func readAll(_ file: UnsafeMutablePointer<FILE>) -> String {
    var bytes: [UInt8] = []
    var byte = getc(file)
    while byte != EOF {
        bytes.append(UInt8(truncatingIfNeeded: byte))
        byte = getc(file)
    }
    return String(decoding: bytes, as: UTF8.self)
}

private func removeTree(_ path: String) {
    if let folder = opendir(path) {
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { removeTree(path + "/" + name) }
        }
        closedir(folder)
    }
    if remove(path) != 0 { Issue.record("\(path) is left behind") }
}
