import Coordinator
import Testing

@Suite struct ConnectionOptionsTests {
    private func options(_ words: [String]) throws -> ConnectionOptions {
        var options = ConnectionOptions()
        try options.takeAll(words)
        return options
    }

    @Test func valuesArriveInAnyForm() throws {
        let options = try options([
            "User=deploy", "port 2222", "IDENTITYFILE=/k/one", "IdentityFile=/k/two", "IdentitiesOnly=yes",
            "ConnectTimeout=7", "UserKnownHostsFile=/a /b", "GlobalKnownHostsFile none", "ServerAliveInterval=0",
            "ServerAliveCountMax = 9", "StrictHostKeyChecking=accept-new", "IdentityAgent=/run/agent",
        ])
        #expect(options.user == "deploy")
        #expect(options.port == 2222)
        #expect(options.identityFiles == ["/k/one", "/k/two"])
        #expect(options.identitiesOnly)
        #expect(options.connectTimeout == .seconds(7))
        #expect(options.userKnownHostsFiles == ["/a", "/b"])
        #expect(options.globalKnownHostsFiles == [])
        #expect(options.aliveInterval == 0)
        #expect(options.aliveCountMax == 9)
        #expect(options.hostKeyPolicy == .acceptNew)
        #expect(options.identityAgent == "/run/agent")
    }

    @Test func theFirstValueWins() throws {
        #expect(try options(["User=one", "User=two", "Port=1", "port=2"]).user == "one")
        #expect(try options(["StrictHostKeyChecking=no", "StrictHostKeyChecking=yes"]).hostKeyPolicy == .off)
    }

    @Test(arguments: [
        "", "=", "User", "User=", "Port=0", "Port=65536", "Port=x", "Port=-1", "ConnectTimeout=0", "ConnectTimeout=1s",
        "IdentitiesOnly=maybe", "StrictHostKeyChecking=ask", "StrictHostKeyChecking=", "ServerAliveCountMax=0",
        "ServerAliveInterval=-1", "ProxyCommand=nc %h %p", "ProxyJump=jump", "Usr=x", "Hostname=other",
        "\u{1b}[31m=1",
    ])
    func whatCannotBeHonouredIsRefused(_ word: String) {
        #expect {
            try options([word])
        } throws: { error in
            guard let error = error as? CoordinatorError else { return false }
            return error.code == .usage && !error.message.utf8.contains { $0 < 0x20 }
        }
    }

    @Test func theNearestNameIsOffered() {
        #expect {
            try options(["UserKnownHostFile=/x"])
        } throws: { "\($0)".contains("did you mean UserKnownHostsFile?") }
    }
}
