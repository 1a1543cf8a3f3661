import ArgumentParser
import Coordfile
import Foundation
import HostSets

/// The flags that say which hosts and which task file.
struct SelectionOptions: ParsableArguments {
    @Option(
        name: [.customShort("H", allowingJoined: true), .long],
        help: ArgumentHelp("Host patterns: web[01-40], 'a,b', '@role!web03'. Repeatable.", valueName: "hosts")
    )
    var hosts: [String] = []

    @Option(
        name: [.customShort("R", allowingJoined: true), .long],
        help: ArgumentHelp("Roles of the task file, comma-separated. Repeatable.", valueName: "roles")
    )
    var roles: [String] = []

    @Option(
        name: [.customShort("x", allowingJoined: true), .long],
        help: ArgumentHelp("Host patterns to leave out, whatever they come from. Repeatable.", valueName: "hosts")
    )
    var exclude: [String] = []

    @Option(help: ArgumentHelp("Hosts, one a line, # comments; '-' for standard input.", valueName: "file"))
    var hostsFile: String?

    @Flag(help: "A host that is named twice is two entries.")
    var keepDuplicates = false

    /// What `resolveHosts` takes.
    ///
    /// - Throws: ``UsageError`` for a hosts file that can't be read.
    func selection() throws -> HostSelection {
        HostSelection(
            hosts: hosts,
            roles: roles,
            hostsFile: try hostsFile.map(Self.expressions),
            exclude: exclude,
            keepDuplicates: keepDuplicates
        )
    }

    private static func expressions(inFile path: String) throws -> [String] {
        let text: String
        do {
            let data =
                path == "-"
                ? FileHandle.standardInput.readDataToEndOfFile() : try Data(contentsOf: URL(filePath: path))
            guard let decoded = String(validating: data, as: UTF8.self) else {
                throw UsageError(message: "--hosts-file \(path): this is not UTF-8")
            }
            text = decoded
        } catch let error as UsageError {
            throw error
        } catch {
            throw UsageError(message: "--hosts-file \(path) can't be read: \(error.localizedDescription)")
        }
        let name = path == "-" ? "standard input" : path
        do {
            let expressions = try parseHostsFile(text, named: name).map(\.expression.text)
            guard !expressions.isEmpty else { throw UsageError(message: "--hosts-file: \(name) names no hosts") }
            return expressions
        } catch let error as HostSetError {
            throw UsageError(message: "\(error)")
        }
    }
}

/// The flag that names the task file.
struct TaskFileOption: ParsableArguments {
    @Option(
        name: [.customShort("f", allowingJoined: true), .long],
        help: ArgumentHelp(
            "The task file. Default: Coordfile.yaml in this folder or the nearest above.",
            valueName: "file"
        )
    )
    var file: String?

    /// The file that is named or found.
    ///
    /// - Throws: ``UsageError`` with every problem of the file, or when there is none and one is needed.
    func load(isNeeded: Bool) throws -> Coordfile? {
        let folder = FileManager.default.currentDirectoryPath
        guard let path = file ?? Coordfile.find(from: folder) else {
            guard isNeeded else { return nil }
            throw UsageError(
                message: "there is no Coordfile.yaml in \(folder) or above; name one with -f, or run a command: "
                    + "coord run -H HOSTS -- COMMAND"
            )
        }
        do {
            return try Coordfile.load(path: path)
        } catch {
            throw UsageError(message: error.description)
        }
    }
}
