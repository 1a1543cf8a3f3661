import ArgumentParser
import Coordfile
import Foundation
import HostSets

/// `coord hosts expand|fold|count`.
struct HostsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hosts",
        abstract: "Host patterns in and out, as ClusterShell's nodeset does.",
        subcommands: [Expand.self, Fold.self, Count.self]
    )

    /// What all three take.
    struct Input: ParsableArguments {
        @Argument(help: "Host patterns; several are joined. '-' reads standard input, one pattern a line.")
        var expressions: [String]

        @OptionGroup var taskFile: TaskFileOption

        /// One expression for the whole of the input.
        func expression() throws -> String {
            var parts: [String] = []
            for expression in expressions {
                guard expression == "-" else {
                    parts.append(expression)
                    continue
                }
                let data = FileHandle.standardInput.readDataToEndOfFile()
                guard let text = String(validating: data, as: UTF8.self) else {
                    throw UsageError(message: "standard input is not UTF-8")
                }
                do {
                    parts += try parseHostsFile(text, named: "standard input").map(\.expression.text)
                } catch {
                    throw UsageError(message: "\(error)")
                }
            }
            guard !parts.isEmpty else { throw UsageError(message: "there are no hosts in the input") }
            return parts.joined(separator: ",")
        }

        /// `@role` works where there is a task file.
        func roles(for expression: String) throws -> (String) throws -> [String] {
            guard expression.contains("@"), let file = try taskFile.load(isNeeded: false) else {
                return NodeSet.refuseRole
            }
            return { name in
                try resolveHosts(task: nil, file: file, selection: HostSelection(roles: [name])).map(\.text)
            }
        }

        /// The hosts of the input, sorted.
        func hosts() throws -> [String] {
            let expression = try expression()
            do {
                return try NodeSet.expand(expression, role: roles(for: expression))
            } catch {
                throw UsageError(message: "\(error)")
            }
        }
    }

    /// `coord hosts expand`.
    struct Expand: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the hosts, one a line, sorted.")
        @OptionGroup var input: Input

        func run() throws {
            for host in try input.hosts() { print(host) }
        }
    }

    /// `coord hosts fold`.
    struct Fold: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the hosts folded: web[01-40,42].")
        @OptionGroup var input: Input

        func run() throws {
            print(NodeSet.fold(try input.hosts()))
        }
    }

    /// `coord hosts count`.
    struct Count: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print how many hosts there are.")
        @OptionGroup var input: Input

        func run() throws {
            print(try input.hosts().count)
        }
    }
}
