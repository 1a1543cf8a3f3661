import Foundation
import Glibc

/// What a sandbox remembers of itself: the file that makes its folder a sandbox.
struct SandboxMarker: Codable, Equatable {
    /// The marker's name in the folder.
    static let fileName = ".coord-sandbox"
    private static let currentVersion = 1

    /// The marker's format.
    private(set) var version = SandboxMarker.currentVersion
    /// Random; stands in the comment of a user made for this sandbox, so that no other user is ever removed.
    var id: String
    /// The folder when the sandbox was put up; sshd's command line names it even if the folder has moved since.
    var folder: String
    /// sshd's port; 0 while the sandbox is being made.
    var port: Int
    /// How many addresses the task file names.
    var hostCount: Int
    /// Who the hosts let in.
    var user: String
    /// Whether `user` was made for this sandbox.
    var hasOwnUser: Bool
    /// Whether sshd's empty run folder was made for this sandbox.
    var hasOwnRunFolder: Bool

    /// Where sshd reads its configuration.
    var serverConfiguration: String { folder + "/" + SandboxFiles.serverConfiguration }
    /// What a user made for this sandbox has as its comment.
    var userComment: String { "coord sandbox \(id)" }

    /// A marker for a sandbox that is about to be made.
    init(folder: String, hostCount: Int, user: String) {
        id = String(UInt64.random(in: .min ... .max), radix: 16)
        self.folder = folder
        port = 0
        self.hostCount = hostCount
        self.user = user
        hasOwnUser = false
        hasOwnRunFolder = false
    }

    /// The marker in a folder; nil when there is none.
    ///
    /// - Throws: ``SandboxError`` with `owner` or `folder`: a marker that is not this user's, or not one.
    static func read(in folder: String) throws(SandboxError) -> SandboxMarker? {
        let path = folder + "/" + fileName
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw SandboxError(.file, "\(path): can't be read", underlying: systemReason(errno))
        }
        guard status.st_uid == geteuid(), status.st_mode & S_IFMT == S_IFREG else {
            throw SandboxError(.owner, "\(path): not a file of this user's; run as the user who made the sandbox")
        }
        do {
            let marker = try JSONDecoder().decode(SandboxMarker.self, from: Data(contentsOf: URL(filePath: path)))
            guard marker.version == currentVersion else {
                throw SandboxError(.folder, "\(folder): a sandbox of another version of coord; remove it with that one")
            }
            return marker
        } catch let error as SandboxError {
            throw error
        } catch {
            throw SandboxError(.folder, "\(path): does not read as a sandbox's marker", underlying: "\(error)")
        }
    }

    /// Writes the marker, whole or not at all.
    func write(in folder: String) throws(SandboxError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            try encoder.encode(self).write(to: URL(filePath: folder + "/" + SandboxMarker.fileName), options: .atomic)
        } catch {
            throw SandboxError(.file, "\(folder): the sandbox's marker can't be written", underlying: "\(error)")
        }
    }
}

/// The system's words for an `errno`.
func systemReason(_ number: Int32) -> String { String(cString: strerror(number)) }
