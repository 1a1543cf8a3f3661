import HostSets
import Testing

@Suite struct NodeSetTests {
    @Test(arguments: [
        ([], ""),
        (["a"], "a"),
        (["b", "a", "b"], "a,b"),
        (["web3", "web1", "web2", "db1"], "db1,web[1-3]"),
        (["web01", "web02", "web03", "web7"], "web[7,01-03]"),
        (["a8", "a9", "a10"], "a[8-10]"),
        (["a08", "a09", "a10", "a11"], "a[08-11]"),
        (["a01", "a1", "a001"], "a[1,01,001]"),
        (["a01", "a98", "a99", "a100"], "a[01,98-99,100]"),
        (["a01", "a02", "a98", "a99", "a100"], "a[01-02,98-100]"),
        (["a1", "a3", "a5"], "a[1,3,5]"),
        (["1", "2"], "[1-2]"),
        (["a", "a1", "a1b", "a-1"], "a,a1,a1b,a-1"),
        (["r1n1", "r1n2", "r2n1", "r2n2"], "r[1-2]n[1-2]"),
        (["r1n1", "r1n2", "r2n1"], "r1n[1-2],r2n1"),
        (["deploy@web1:22", "deploy@web2:22"], "deploy@web[1-2]:22"),
        (["[::1]:22", "[::1]:23", "[::2]:22"], "[::1]:[22-23],[::2]:22"),
        (["fe80::1%eth0", "fe80::2%eth0"], "fe80::[1-2]%eth0"),
        (["a123456789012345678", "a123456789012345679"], "a123456789012345678,a123456789012345679"),
    ])
    func folds(_ hosts: [String], _ folded: String) throws {
        #expect(NodeSet.fold(hosts) == folded)
        #expect(NodeSet.fold(hosts.reversed()) == folded)
        let set = NodeSet(hosts)
        #expect(set.count == Set(hosts).count)
        if !hosts.isEmpty {
            #expect(try NodeSet.expand(folded) == set.hosts)
            #expect(try NodeSet.count(folded) == set.count)
        }
    }

    @Test(arguments: [
        ("b,a[10,9,1]", ["a1", "a9", "a10", "b"]),
        ("a[01,1,10]", ["a1", "a01", "a10"]),
        ("a[1-3]!a2", ["a1", "a3"]),
        ("n[2,1]-[2,1]", ["n1-1", "n1-2", "n2-1", "n2-2"]),
        ("a!a", []),
    ])
    func expandsSorted(_ expression: String, _ hosts: [String]) throws {
        #expect(try NodeSet.expand(expression) == hosts)
        #expect(try NodeSet.count(expression) == hosts.count)
    }

    @Test(arguments: ["", "a[", "a,", "@web", "a[1-1000000000]", "a\0b", "-x"])
    func refuses(_ expression: String) {
        #expect(throws: HostSetError.self) { try NodeSet.expand(expression) }
        #expect(throws: HostSetError.self) { try NodeSet.count(expression) }
    }

    @Test func rolesAreResolvedWhereThereAreSome() throws {
        let hosts = try NodeSet.expand("@web!web2") { _ in ["web2", "web1", "web3"] }
        #expect(hosts == ["web1", "web3"])
    }

    /// Points that merge with few others: comparing all pairs would take many minutes.
    @Test(.timeLimit(.minutes(1))) func scatteredHostsFoldInBoundedTime() throws {
        var random = SplitMix64(seed: 7)
        let hosts = (0..<20_000).map { _ in
            "r\(random.below(3_000))n\(random.below(3_000))"
        }
        let set = NodeSet(hosts)
        #expect(set.count == Set(hosts).count)
        #expect(Set(set.hosts) == Set(hosts))
        #expect(Set(try NodeSet.expand(set.folded)) == Set(hosts))
    }

    @Test func aHundredThousandHostsFold() throws {
        let text = "web[00001-50000],rack[1-50]node[1-1000]"
        let hosts = try NodeSet.expand(text)
        #expect(hosts.count == 100_000)
        #expect(NodeSet.fold(hosts) == "rack[1-50]node[1-1000],web[00001-50000]")
        let withHoles = hosts.filter { $0 != "rack7node500" && $0 != "web25000" }
        #expect(
            NodeSet.fold(withHoles) == "rack[1-6,8-50]node[1-1000],rack7node[1-499,501-1000],"
                + "web[00001-24999,25001-50000]"
        )
    }
}
