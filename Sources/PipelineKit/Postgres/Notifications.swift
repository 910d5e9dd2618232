internal import CPostgres
import Core
import Glibc

extension PostgresConnection {
    /// Subscribes to a channel (PostgreSQL, LISTEN). It needs session pooling.
    ///
    /// - Parameter channel: a name of our own, never data.
    /// - Throws: `PostgresError`.
    package func listen(to channel: String) throws(PostgresError) {
        try execute("LISTEN \(channel)", doing: "listen to \(channel)")
    }

    /// Waits for a notification of a channel that this connection listens to.
    ///
    /// - Parameter patience: how long at most.
    /// - Returns: whether one came; all that came are taken.
    /// - Throws: `PostgresError` when the connection is lost.
    package func waitForNotification(atMost patience: Duration) throws(PostgresError) -> Bool {
        var descriptor = pollfd(fd: unsafe PQsocket(handle), events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&descriptor, 1, Int32(clamping: patience.milliseconds))
        Heartbeat.beat()
        guard unsafe PQconsumeInput(handle) == 1 else { throw lost("wait for notifications") }
        var hasCome = false
        while let notification = unsafe PQnotifies(handle) {
            unsafe PQfreemem(notification)
            hasCome = true
        }
        return hasCome
    }
}
