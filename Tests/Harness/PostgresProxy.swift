import Core
import Synchronization

/// A TCP proxy before PostgreSQL that knows enough of its protocol to strike at a COMMIT.
///
/// It takes any number of connections, on one thread of its own, which ends with this object.
package final class PostgresProxy: Sendable {
    /// What it does, once, when it was armed.
    package enum Fault: Sendable {
        /// The server never gets the COMMIT; the connection is cut.
        case cutBeforeCommit
        /// The server commits, and the client never gets the answer; the connection is cut.
        case cutAfterCommit
        /// The COMMIT, and all that comes on this connection afterwards, is swallowed; the connection stays open.
        case blackHole
        /// The server never gets the COMMIT, and the client gets a byte of a notice, which never ends, every 50 ms.
        case trickle
    }

    /// The port of 127.0.0.1 that it listens on.
    package let port: Int
    private let loop: PostgresProxyLoop
    private let thread: Mutex<JoinableThread?>

    /// - Parameter target: PostgreSQL's port on 127.0.0.1.
    /// - Throws: `FileError` when there is no port to listen on.
    package init(to target: Int) throws {
        let listener: Int32
        (listener, port) = try Loopback.listen()
        let loop = PostgresProxyLoop(listener: listener, target: target)
        self.loop = loop
        thread = Mutex(JoinableThread(name: "proxy") { loop.serve() })
    }

    deinit {
        end()
    }

    /// Ends the thread and all connections.
    package func end() {
        loop.stop.raise()
        let thread = thread.withLock { $0.take() }
        if let thread { thread.join() }
    }

    /// Strikes at the next COMMIT.
    package func arm(_ fault: Fault) {
        loop.fault.withLock { $0 = fault }
    }

    /// How often it has struck.
    package var struck: Int { loop.strikes.load(ordering: .acquiring) }

    /// Leads new connections to another port, as a name does after a fail-over.
    package func lead(to port: Int) {
        loop.target.withLock { $0 = port }
    }
}
