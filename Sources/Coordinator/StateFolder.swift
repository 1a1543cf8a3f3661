import Foundation
import Glibc

/// Where runs are kept: `$XDG_STATE_HOME/coord`, else `~/.local/state/coord`; mode 0700.
public struct StateFolder: Sendable {
    /// An absolute path.
    public let path: String

    /// The folder at a path of the caller's choice.
    public init(path: String) { self.path = path }

    /// The user's own.
    public static var standard: StateFolder {
        let environment = ProcessInfo.processInfo.environment
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
            return StateFolder(path: state + "/coord")
        }
        let home = environment["HOME"] ?? NSHomeDirectory()
        return StateFolder(path: home + "/.local/state/coord")
    }

    /// Where each run has its journal.
    public var runs: String { path + "/runs" }

    /// The journal of a run.
    public func journal(of runID: String) -> String { "\(runs)/\(runID).sqlite" }

    /// Makes the folders and checks that they can be written.
    ///
    /// - Throws: ``CoordinatorError`` (`journal`) that names the folder.
    public func prepare() throws(CoordinatorError) {
        let failure = FolderMaking.make(runs)
        guard failure == 0 else {
            throw CoordinatorError(
                .journal,
                "the state folder \(runs) can't be made; set XDG_STATE_HOME to a folder that you can write",
                errno: failure
            )
        }
        // An older folder may have been made by hand with another mode.
        chmod(path, 0o700)
        chmod(runs, 0o700)
        guard access(runs, W_OK | X_OK) == 0 else {
            throw CoordinatorError(
                .journal,
                "the state folder \(runs) can't be written; set XDG_STATE_HOME to another one",
                errno: errno
            )
        }
    }
}
