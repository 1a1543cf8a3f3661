import CZeroMQ

/// Owns a ZeroMQ context and its I/O threads; sockets keep it alive.
///
/// Making one starts no thread yet, the first socket does (zmq_ctx_new(3)): never before the pool has forked.
public final class ZeroMQContext {
    let handle: UnsafeMutableRawPointer

    /// - Throws: ``ZeroMQError`` when the process is out of descriptors.
    public init() throws(ZeroMQError) {
        guard let handle = zmq_ctx_new() else { throw .last("zmq_ctx_new") }
        self.handle = handle
    }

    deinit {
        // Every socket is closed by now and lingers for a bounded time only, so this ends.
        zmq_ctx_term(handle)
    }
}
