import Foundation
import Testing
import ZeroMQ

@Suite struct ZeroMQSocketTests {
    /// A ROUTER and a DEALER on an ipc path of their own.
    private final class Pair {
        let folder: String
        let router: ZeroMQSocket
        let dealer: ZeroMQSocket

        init(messageLimit: Int = 1 << 20) throws {
            folder = NSTemporaryDirectory() + "coord-zmq-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let context = try ZeroMQContext()
            router = try ZeroMQSocket(.router, context: context, messageLimit: messageLimit, queueLimit: 1000)
            dealer = try ZeroMQSocket(.dealer, context: context, messageLimit: messageLimit, queueLimit: 1000)
            try router.bind("ipc://\(folder)/s")
            try dealer.connect("ipc://\(folder)/s")
        }

        deinit {
            router.close()
            dealer.close()
            do {
                try FileManager.default.removeItem(atPath: folder)
            } catch {
                Issue.record("\(error)")
            }
        }
    }

    private func receive(_ socket: ZeroMQSocket) throws -> [[UInt8]]? {
        _ = try ZeroMQPoller.wait(for: [.socket(socket)], timeoutMilliseconds: 5000)
        return try socket.receive()
    }

    @Test func messagesGoBothWaysByteForByte() throws {
        let pair = try Pair()
        #expect(try pair.dealer.send([[0, 255, 10], []]))
        let frames = try #require(try receive(pair.router))
        #expect(Array(frames.dropFirst()) == [[0, 255, 10], []])
        #expect(try pair.router.send([frames[0], [1, 2, 3]]))
        #expect(try receive(pair.dealer) == [[1, 2, 3]])
        #expect(try pair.dealer.receive() == nil)
    }

    @Test func aRouterSaysWhenThePeerIsMissing() throws {
        let pair = try Pair()
        #expect {
            try pair.router.send([[9, 9], [1]])
        } throws: {
            ($0 as? ZeroMQError)?.code == ZeroMQError.hostUnreachable
        }
    }

    @Test func overlongMessagesComeEmptyAndTheNextOneIsWhole() throws {
        let pair = try Pair()
        #expect(try pair.dealer.send([[1], [2], [3], [4]]))
        #expect(try pair.dealer.send([[5]]))
        #expect(try receive(pair.router) == [])
        #expect(try receive(pair.router)?.last == [5])
    }

    @Test func aMessageAboveTheLimitNeverArrives() throws {
        let pair = try Pair(messageLimit: 1000)
        #expect(try pair.dealer.send([[UInt8](repeating: 1, count: 2000)]))
        let ready = try ZeroMQPoller.wait(for: [.socket(pair.router)], timeoutMilliseconds: 300)
        #expect(ready == [false])
    }

    @Test(arguments: ["", "nonsense", "ipc://", "tcp://127.0.0.1", "ipc:///does/not/exist/s"])
    func badEndpointsAreErrors(_ endpoint: String) throws {
        let socket = try ZeroMQSocket(
            .router,
            context: try ZeroMQContext(),
            messageLimit: 1000,
            queueLimit: 10
        )
        #expect(throws: ZeroMQError.self) { try socket.bind(endpoint) }
    }

    @Test func closingTwiceIsFine() throws {
        let pair = try Pair()
        pair.dealer.close()
        pair.dealer.close()
        #expect(throws: ZeroMQError.self) { try pair.dealer.send([[1]]) }
    }
}
