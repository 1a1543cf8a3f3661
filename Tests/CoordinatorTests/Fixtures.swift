import Coordfile
import Foundation
import HostSets
import Testing

@testable import Coordinator

/// A folder of a test's own, removed with it.
final class TemporaryFolder {
    let path = NSTemporaryDirectory() + "coord-test-\(UUID().uuidString.prefix(8))"

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            Issue.record("\(error)")
        }
    }
}

extension RunPlan {
    /// One parallel task on these hosts.
    static func single(_ hosts: [String], task: String = "poke") throws -> RunPlan {
        var plan = RunPlan()
        try plan.add(task, hosts)
        return plan
    }

    mutating func add(_ name: String, _ hosts: [String]) throws {
        let definition = TaskDefinition(name: name, steps: [.run("true")])
        let shape = try resolveShape(
            task: definition,
            file: nil,
            flags: ModeFlags(parallel: true),
            hostCount: hosts.count
        )
        add(definition, on: try hosts.map { try HostAddress(parsing: $0) }, shape: shape, timeout: nil)
    }
}
