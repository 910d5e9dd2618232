import HummingbirdCore
package import Logging
import NIOCore

/// Gives a connection its HTTP handlers when it is served, not when it is accepted.
///
/// With Hummingbird's own order, a connection that is accepted and not served yet when the server is stopped ends the process:
/// nobody finishes the writer of its `NIOAsyncChannel` (apple/swift-nio, issue 2637).
package struct LateSetup<Base: ServerChildChannel>: ServerChildChannel {
    /// A connection that was accepted; closed when it is not served.
    package final class Accepted: ServerChildChannelValue {
        package let channel: any Channel

        init(_ channel: any Channel) { self.channel = channel }

        deinit { channel.close(promise: nil) }
    }

    private let base: Base

    /// - Parameter base: what sets a connection up, and serves it.
    package init(_ base: Base) { self.base = base }

    /// Nothing is read of the connection before it has handlers.
    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Accepted> {
        channel.setOption(.autoRead, value: false).map { Accepted(channel) }
    }

    /// Serves the connection to its end.
    package func handle(value: Accepted, logger: Logger) async {
        let channel = value.channel
        let connection = channel.eventLoop.flatSubmit { () -> EventLoopFuture<Base.Value> in
            guard channel.isActive else { return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
            return base.setup(channel: channel, logger: logger)
        }
        guard let connection = try? await connection.get() else { return }
        try? await channel.setOption(.autoRead, value: true).get()
        await base.handle(value: connection, logger: logger)
    }
}
