import CForkPool
import Glibc

/// An owned epoll(7) instance, level-triggered, for reading only.
///
/// Its own descriptor is readable when one of its members is, so it can stand in another poller.
public final class Epoll {
    /// The instance's descriptor; -1 once closed.
    public private(set) var descriptor: Int32

    /// - Throws: ``ForkPoolError`` of epoll_create1(2).
    public init() throws(ForkPoolError) {
        descriptor = Int32(try check(Int(cforkpool_epoll_create()), "epoll_create1"))
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Watches `member`; `token` comes back from ``ready(timeoutMilliseconds:)``.
    ///
    /// - Throws: ``ForkPoolError`` of epoll_ctl(2).
    public func add(_ member: Int32, token: UInt64) throws(ForkPoolError) {
        _ = try check(Int(cforkpool_epoll_set(descriptor, member, token, 1)), "epoll_ctl add")
    }

    /// Stops watching `member`.
    ///
    /// - Throws: ``ForkPoolError`` of epoll_ctl(2).
    public func remove(_ member: Int32) throws(ForkPoolError) {
        _ = try check(Int(cforkpool_epoll_remove(descriptor, member)), "epoll_ctl delete")
    }

    /// The tokens of at most 64 members that are readable or hung up.
    ///
    /// - Throws: ``ForkPoolError`` of epoll_wait(2).
    public func ready(timeoutMilliseconds: Int32 = 0) throws(ForkPoolError) -> [UInt64] {
        var tokens = [UInt64](repeating: 0, count: 64)
        let count = try check(
            Int(cforkpool_epoll_wait(descriptor, &tokens, 64, timeoutMilliseconds)),
            "epoll_wait"
        )
        return Array(tokens[..<count])
    }
}
