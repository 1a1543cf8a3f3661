import ArgumentParser
import Coordfile

/// `coord list`.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the tasks of the task file with their one-line docs."
    )

    @OptionGroup var taskFile: TaskFileOption

    func run() throws {
        guard let file = try taskFile.load(isNeeded: true) else { return }
        Self.list(file)
    }

    /// Prints the tasks, names aligned.
    static func list(_ file: Coordfile) {
        let width = file.tasks.map(\.name.count).max() ?? 0
        for task in file.tasks {
            let padding = String(repeating: " ", count: width - task.name.count)
            print(task.doc.map { "\(task.name)\(padding)  \($0)" } ?? task.name)
        }
    }
}
