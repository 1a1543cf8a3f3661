import Coordfile
import Foundation
import HostSets
import Testing
import WireProtocol

@testable import Coordinator

@Suite struct EndpointResolverTests {
    private let folder: TemporaryFolder
    private let file: Coordfile

    init() throws {
        folder = try TemporaryFolder()
        for name in ["one", "two"] { try Data().write(to: URL(filePath: "\(folder.path)/\(name)")) }
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
        try Data("db1 ssh-ed25519 \(key)\n[db1]:2222 ssh-ed25519 \(key)\n@revoked * ssh-ed25519 \(key)\n".utf8)
            .write(to: URL(filePath: folder.path + "/known"))
        file = try Coordfile.parse(
            """
            defaults: {user: filed, port: 2200, known_hosts: known}
            hosts:
              "db*": {port: 2222, identity: one}
            tasks: {poke: {run: "true"}}
            """,
            path: folder.path + "/Coordfile.yaml"
        )
    }

    private func endpoint(_ host: String, _ options: ConnectionOptions = ConnectionOptions()) throws -> WireEndpoint {
        let plan = try RunPlan.single([host])
        let resolver = try EndpointResolver(options: options, file: file, plan: plan)
        return resolver.endpoint(of: try HostAddress(parsing: host))
    }

    @Test func theHostItselfThenFlagsThenHostsThenDefaults() throws {
        var options = ConnectionOptions()
        #expect(try endpoint("web1").port == 2200)
        #expect(try endpoint("web1").user == "filed")
        #expect(try endpoint("db1").port == 2222)
        #expect(try endpoint("db1").identityFiles == ["\(folder.path)/one"])
        options.port = 1022
        options.user = "flag"
        options.identityFiles = ["\(folder.path)/two"]
        #expect(try endpoint("db1", options).port == 1022)
        #expect(try endpoint("db1", options).user == "flag")
        #expect(try endpoint("db1", options).identityFiles == ["\(folder.path)/two"])
        #expect(try endpoint("me@db1:99", options).port == 99)
        #expect(try endpoint("me@db1:99", options).user == "me")
        #expect(try endpoint("db1").connectTimeoutMilliseconds == 10_000)
    }

    @Test func knownAndRevokedKeysTravelWithTheirLine() throws {
        let endpoint = try endpoint("db1")
        #expect(endpoint.knownKeys.map(\.origin) == ["\(folder.path)/known:2"])
        #expect(endpoint.revokedKeys.map(\.origin) == ["\(folder.path)/known:3"])
        #expect(endpoint.hostKeyPolicy == .strict)
        #expect(try self.endpoint("web9").knownKeys.isEmpty)
    }

    @Test func anIdentityThatCannotBeReadStopsBeforeTheStart() throws {
        var options = ConnectionOptions()
        options.identityFiles = [folder.path + "/missing"]
        #expect {
            try endpoint("db1", options)
        } throws: { error in
            (error as? CoordinatorError)?.code == .usage && "\(error)".contains("missing")
        }
    }
}
