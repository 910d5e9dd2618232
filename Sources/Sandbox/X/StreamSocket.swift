import Glibc
import Hummingbird
import NIOCore
import Synchronization

/// A connection below its HTTP handlers: whole control over what is sent when, and over how it ends.
///
/// Hummingbird has sent the answer's head (or nothing yet); from then on everything goes through here.
struct StreamSocket: Sendable {
    private let channel: any Channel
    private let gate: NIOLoopBound<Gate>
    private let hasLeft: Flag

    /// Takes over a connection.
    init(_ channel: any Channel) async throws {
        self.channel = channel
        let hasLeft = Flag()
        self.hasLeft = hasLeft
        gate = try await channel.eventLoop.submit {
            let gate = Gate(channel.eventLoop, hasLeft: hasLeft)
            try channel.pipeline.syncOperations.addHandler(gate, position: .first)
            return NIOLoopBound(gate, eventLoop: channel.eventLoop)
        }.get()
    }

    /// Whether the client has closed, reset or vanished.
    var clientHasLeft: Bool { hasLeft.isRaised || !channel.isActive }

    /// Writes bytes as they are, and returns when the kernel has taken them.
    func write(raw bytes: [UInt8]) async throws {
        let buffer = ByteBuffer(bytes: bytes)
        try await channel.eventLoop.flatSubmit { gate.value.write(buffer) }.get()
    }

    /// Writes bytes as one chunk of a chunked body (RFC 9112, section 7.1).
    func write(chunk bytes: [UInt8]) async throws {
        try await write(raw: Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + [13, 10])
    }

    /// Closes with FIN, after the body's end if `isComplete`.
    func close(isComplete: Bool) async {
        if isComplete { try? await write(raw: Array("0\r\n\r\n".utf8)) }
        try? await channel.close().get()
    }

    /// Closes with RST: a linger time of zero throws away what is unsent (socket(7)).
    func reset() async {
        if let options = channel as? any SocketOptionProvider {
            try? await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try? await channel.close().get()
    }
}

/// Set once, from any thread.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isRaised: Bool { value.load(ordering: .acquiring) }

    func raise() {
        value.store(true, ordering: .releasing)
    }
}

/// Sits next to the socket: lets bytes past the HTTP encoder, and notices the client's leaving.
private final class Gate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let eventLoop: any EventLoop
    private let hasLeft: Flag
    /// Nil after the connection has ended: the channel then removes its handlers.
    private var context: ChannelHandlerContext?

    init(_ eventLoop: any EventLoop, hasLeft: Flag) {
        self.eventLoop = eventLoop
        self.hasLeft = hasLeft
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func write(_ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        guard let context else { return eventLoop.makeFailedFuture(ChannelError.alreadyClosed) }
        return context.writeAndFlush(wrapOutboundOut(buffer))
    }

    func channelInactive(context: ChannelHandlerContext) {
        hasLeft.raise()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Hummingbird allows half-closed connections; a client of the stream that closes its half has gone.
        if case .inputClosed? = event as? ChannelEvent {
            hasLeft.raise()
            context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        hasLeft.raise()
        context.close(promise: nil)
    }
}
