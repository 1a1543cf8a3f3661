import CZeroMQ
import Glibc

/// Waits for sockets and plain descriptors together, by zmq_poll(3).
public struct ZeroMQPoller {
    /// What to wait for.
    public enum Member {
        /// A message can be received.
        case socket(ZeroMQSocket)
        /// The descriptor is readable or hung up.
        case readable(Int32)
    }

    /// Waits until a member is ready or the time is over.
    ///
    /// - Parameter timeoutMilliseconds: -1 for no limit.
    /// - Returns: for each member whether it is ready; all false after the timeout or a signal.
    /// - Throws: ``ZeroMQError``.
    public static func wait(for members: [Member], timeoutMilliseconds: Int) throws(ZeroMQError) -> [Bool] {
        var items = members.map { member in
            switch member {
            case .socket(let socket):
                zmq_pollitem_t(socket: socket.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)
            case .readable(let descriptor):
                zmq_pollitem_t(socket: nil, fd: descriptor, events: Int16(ZMQ_POLLIN), revents: 0)
            }
        }
        let result = zmq_poll(&items, Int32(items.count), timeoutMilliseconds)
        if result < 0 && zmq_errno() != EINTR { throw .last("zmq_poll") }
        return items.map { $0.revents != 0 }
    }
}
