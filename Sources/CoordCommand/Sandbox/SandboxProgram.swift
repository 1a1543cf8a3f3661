import Foundation
import Glibc

/// A program of the system that a sandbox needs.
struct SandboxProgram {
    /// Where it is.
    var path: String

    private static let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"]
    private static let outputLimit = 2000

    /// Finds a program.
    ///
    /// - Throws: ``SandboxError`` with `missingProgram`, which names the Debian package.
    init(_ name: String, package: String) throws(SandboxError) {
        let paths = SandboxProgram.folders.map { "\($0)/\(name)" }
        guard let found = paths.first(where: { access($0, X_OK) == 0 }) else {
            throw SandboxError(.missingProgram, "\(name) is not installed; on Debian: apt install \(package)")
        }
        path = found
    }

    /// Runs it to its end, with nothing on standard input.
    ///
    /// - Throws: ``SandboxError`` with `programFailed` unless it exits with a status of `accepted`.
    @discardableResult
    func run(_ arguments: [String], accepting accepted: Set<Int32> = [0]) throws(SandboxError) -> Int32 {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        let printed: Data
        do {
            try process.run()
            printed = try output.fileHandleForReading.readToEnd() ?? Data()
        } catch {
            throw SandboxError(.programFailed, "\(path) can't be run", underlying: "\(error)")
        }
        process.waitUntilExit()
        let status = process.terminationStatus
        guard process.terminationReason == .exit, accepted.contains(status) else {
            let text = String(decoding: printed.suffix(SandboxProgram.outputLimit), as: UTF8.self)
            let command = ([path] + arguments).joined(separator: " ")
            throw SandboxError(
                .programFailed,
                "`\(command)` ended with status \(status)",
                underlying: text.trimmingCharacters(in: .whitespacesAndNewlines)
            )
        }
        return status
    }
}
