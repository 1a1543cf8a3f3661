import Foundation
import Glibc

/// Where `coord-agent` is: beside this program, as a build and an installation put it, else on PATH.
enum AgentProgram {
    static let name = "coord-agent"

    /// - Throws: ``UsageError`` that says where it was looked for.
    static func find() throws -> String {
        var places: [String] = []
        if let own = realpath("/proc/self/exe", nil) {
            defer { free(own) }
            places.append((String(cString: own) as NSString).deletingLastPathComponent)
        }
        places += (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for place in places where FileManager.default.isExecutableFile(atPath: "\(place)/\(name)") {
            return "\(place)/\(name)"
        }
        throw UsageError(
            message: "\(name) is neither beside coord (\(places.first ?? "?")) nor on PATH; build both: swift build"
        )
    }
}
