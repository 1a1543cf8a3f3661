import Glibc
import Testing

@testable import ForkPool

@Suite struct EpollTests {
    @Test func readableMembersAreNamedUntilTheyAreRemoved() throws {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let epoll = try Epoll()
        try epoll.add(ends[0], token: 42)
        #expect(try epoll.ready() == [])
        #expect(write(ends[1], "x", 1) == 1)
        #expect(try epoll.ready(timeoutMilliseconds: 5000) == [42])
        #expect(try epoll.ready() == [42])
        try epoll.remove(ends[0])
        #expect(try epoll.ready() == [])
    }

    @Test func mistakesCarryTheirErrno() throws {
        let epoll = try Epoll()
        #expect(throws: ForkPoolError(code: EBADF, operation: "epoll_ctl add")) { try epoll.add(-1, token: 1) }
        #expect(throws: ForkPoolError(code: ENOENT, operation: "epoll_ctl delete")) {
            try epoll.remove(epollless)
        }
    }

    /// A descriptor that is in no poller.
    private var epollless: Int32 { STDERR_FILENO }
}
