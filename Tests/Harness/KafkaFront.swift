import Core
import Synchronization

/// A TCP proxy before a mock cluster with one broker: it asks for credentials, is slow, or shows fewer partitions than
/// there are, none of which the mock cluster can.
///
/// It takes any number of connections, on one thread of its own, which ends with this object.
package final class KafkaFront: Sendable {
    /// Who may sign in.
    package enum Credentials: Sendable, Equatable {
        /// SASL/PLAIN (RFC 4616).
        case plain(user: String, password: String)
        /// SASL/SCRAM-SHA-512 (RFC 5802).
        case scram(user: String, password: String)
        /// SASL/OAUTHBEARER (RFC 7628).
        case bearer(token: String)
    }

    /// A member of a consumer group.
    package struct Member: Sendable {
        let name: String?
        let client: String
        let host: String

        package init(name: String?, client: String, host: String) {
            (self.name, self.client, self.host) = (name, client, host)
        }
    }

    /// The port of 127.0.0.1 that it listens on.
    package let port: Int
    private let loop: KafkaFrontLoop
    private let thread: Mutex<JoinableThread?>

    /// - Parameter servers: the cluster's one address, host:port.
    /// - Throws: `Failure` when that is none, `FileError` when there is no port to listen on.
    package init(_ servers: String) throws {
        guard let target = servers.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw Failure(.badSettings, "\(servers) is no address")
        }
        let listener: Int32
        (listener, port) = try Loopback.listen()
        let loop = KafkaFrontLoop(listener: listener, target: target, advertisedPort: port)
        self.loop = loop
        thread = Mutex(JoinableThread(name: "kafka-front") { loop.serve() })
    }

    deinit {
        loop.stop.raise()
        let thread = thread.withLock { $0.take() }
        if let thread { thread.join() }
    }

    /// The address for `bootstrap.servers`.
    package var servers: String { "127.0.0.1:\(port)" }

    /// Where clients are told that the broker is: its own port, unless something else stands before it.
    package var advertisedPort: Int {
        get { loop.state.withLock { $0.advertisedPort } }
        set { loop.state.withLock { $0.advertisedPort = newValue } }
    }

    /// Names that clients are told brokers by, by their ids, in place of 127.0.0.1.
    package var advertisedHosts: [Int32: String] {
        get { loop.state.withLock { $0.advertisedHosts } }
        set { loop.state.withLock { $0.advertisedHosts = newValue } }
    }

    /// Who may sign in on new connections; nil: everybody, unasked.
    package var credentials: Credentials? {
        get { loop.state.withLock { $0.credentials } }
        set { loop.state.withLock { $0.credentials = newValue } }
    }

    /// How fast bytes pass, both ways and all connections together; nil: as fast as they come.
    package var bytesPerSecond: Int? {
        get { loop.state.withLock { $0.bytesPerSecond } }
        set { loop.state.withLock { $0.bytesPerSecond = newValue } }
    }

    /// How many partitions of each topic clients are told of.
    package var visiblePartitions: Int {
        get { loop.state.withLock { $0.visiblePartitions } }
        set { loop.state.withLock { $0.visiblePartitions = newValue } }
    }

    /// Offsets without a message in partitions of the topic `tweets`; to be set before a client connects.
    package var phantoms: [Int32: KafkaPhantoms] {
        get { loop.state.withLock { $0.phantoms } }
        set { loop.state.withLock { $0.phantoms = newValue } }
    }

    /// Gives the broker's answer to a batch: an error's code (protocol guide, "Error codes"), 0 to accept it.
    package var judge: (@Sendable (KafkaBatch) -> Int16)? {
        get { loop.state.withLock { $0.judge } }
        set { loop.state.withLock { $0.judge = newValue } }
    }

    /// How many requests the judge has rejected.
    package var rejectedBatches: Int { loop.state.withLock { $0.rejectedBatches } }

    /// What is answered about the settings of any topic; nil: the request is unknown, as to the mock cluster.
    package var topicSettings: [String: String]? {
        get { loop.state.withLock { $0.topicSettings } }
        set { loop.state.withLock { $0.topicSettings = newValue } }
    }

    /// What is answered about the members of any group; nil: the request is unknown, as to the mock cluster.
    package var groupMembers: [Member]? {
        get { loop.state.withLock { $0.groupMembers } }
        set { loop.state.withLock { $0.groupMembers = newValue } }
    }

    /// Topics that nobody has the right to see.
    package var deniedTopics: Set<String> {
        get { loop.state.withLock { $0.deniedTopics } }
        set { loop.state.withLock { $0.deniedTopics = newValue } }
    }

    /// How many requests for topics by their names allowed the broker to create them.
    package var creatingRequests: Int { loop.state.withLock { $0.creatingRequests } }

    /// How often somebody was refused.
    package var refused: Int { loop.state.withLock { $0.refused } }

    /// How often somebody has signed in.
    package var accepted: Int { loop.state.withLock { $0.accepted } }

    /// How often somebody was disconnected who had not signed in.
    package var unsigned: Int { loop.state.withLock { $0.unsigned } }

    /// Cuts all connections there are.
    package func cut() {
        loop.state.withLock { $0.isToCut = true }
    }
}
