import Core
import Foundation
import Postgres
import Sandbox
import Synchronization
import TestSupport
import Testing

/// Loaders as processes of their own, a Kafka of their own, and a database of their own in a real PostgreSQL.
final class LoaderRun {
    /// Kafka's addresses, and the topic of tweets.
    let servers: String
    let topic: String
    let postgres: PostgresSandbox
    let database: String
    let publisher: KafkaPublisher
    /// Kept alive with this object.
    private let kafka: AnyObject
    private let folder: TemporaryFolder
    private var loaders: [String: ChildProcess] = [:]
    private var groups = 0
    /// Replaces the database's URL.
    var url: String

    private static let shared = Result { try PostgresSandbox() }
    private static let counter = Atomic(0)
    /// Ids of one month, far from the present.
    static let firstID: Int64 = 1_500_000_000_000_000_000

    /// Loaders with a mock cluster of its own.
    ///
    /// - Parameters:
    ///   - postgres: a cluster of its own for what harms the server; the shared one when nil.
    ///   - partitions: of the topic `tweets`.
    /// - Throws: `Failure` with what could not be started.
    convenience init(postgres: PostgresSandbox? = nil, partitions: Int = 4) throws {
        let kafka = try KafkaSandbox(topics: ["tweets": partitions, "tweets.events": 1])
        try self.init(postgres: postgres, kafka: kafka, servers: kafka.bootstrapServers)
    }

    /// Loaders on a broker that runs already.
    ///
    /// - Parameters:
    ///   - postgres: as above.
    ///   - kafka: what runs the broker, kept alive.
    ///   - servers: its addresses.
    ///   - topic: of tweets.
    ///   - prepare: what to do with the database before it gets its tables.
    /// - Throws: `Failure` with what could not be started.
    init(
        postgres: PostgresSandbox? = nil, kafka: AnyObject, servers: String, topic: String = "tweets",
        prepare: (PostgresSandbox, String) throws -> Void = { _, _ in }
    ) throws {
        self.postgres = try postgres ?? Self.shared.get()
        self.kafka = kafka
        self.servers = servers
        self.topic = topic
        publisher = try KafkaPublisher(bootstrapServers: servers)
        database = "fault\(Self.counter.add(1, ordering: .relaxed).newValue)"
        url = try self.postgres.createDatabase(database)
        folder = try TemporaryFolder()
        try prepare(self.postgres, database)
        try run(["migrate"])
    }

    deinit {
        for loader in loaders.values {
            loader.send(SIGCONT)
            loader.kill()
        }
    }

    // MARK: loaders

    /// Starts a loader; it joins a group that lives on unless `isNewGroup`, which saves the wait for dead members.
    ///
    /// PostgreSQL says where to start, so that the group's name does not matter.
    @discardableResult
    func start(
        _ name: String = "loader", _ arguments: [String] = [], environment: [String: String] = [:],
        isNewGroup: Bool = false
    ) throws -> ChildProcess {
        if isNewGroup { groups += 1 }
        // The mock cluster takes as long for each rebalance as for a dead member.
        let session = ["-X", "session.timeout.ms=4000", "-X", "heartbeat.interval.ms=400"]
        var command = try command(["run", "--group", "group\(groups)"] + session + arguments)
        for (name, value) in environment { command.environment[name] = value }
        command.output = .file(log(of: name))
        let loader = try ChildProcess(command)
        loaders[name] = loader
        return loader
    }

    /// Runs a command to its end.
    ///
    /// - Throws: `Failure` with the output when it does not exit with `status`.
    @discardableResult
    func run(_ arguments: [String], status: Int32 = 0) throws -> String {
        let (exit, output) = try ChildProcess.run(command(arguments))
        guard exit == .status(status) else { throw Failure(.badData, "\(arguments): \(exit): \(output)") }
        return output
    }

    private func command(_ arguments: [String]) throws -> ChildCommand {
        var command = ChildCommand(try siblingExecutable("tweet-loader"), arguments)
        command.environment = [
            "KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_TOPIC": topic, "DATABASE_URL": url,
            "LOG_FORMAT": "text", "TWEET_PIPELINE_CONFIG": nil, "KAFKA_PROPERTIES_FILE": nil, "PAYLOAD": nil,
            "WRITERS": "1", "LISTEN": "off",
        ]
        return command
    }

    /// The loader of that name while it runs.
    func loader(_ name: String) -> ChildProcess? { loaders[name].flatMap { $0.exit == nil ? $0 : nil } }

    /// Ends a loader by SIGTERM; true when it ended well.
    func end(_ name: String = "loader") -> Bool {
        loaders.removeValue(forKey: name)?.terminate(grace: .seconds(35)) == .status(0)
    }

    private func log(of name: String) -> String { "\(folder.path)/\(name).log" }

    /// What a loader has logged so far.
    func logged(_ name: String = "loader") -> String {
        (try? String(contentsOfFile: log(of: name), encoding: .utf8)) ?? ""
    }

    // MARK: Kafka

    /// The line of a tweet.
    static func tweet(_ number: Int64, text: String = "hello") -> String {
        """
        {"data":{"id":"\(firstID + number)","text":"\(text)","author_id":"7","reply_settings":"everyone"},\
        "matching_rules":[{"id":"1","tag":"r"}]}
        """
    }

    /// Publishes tweets as the producer does: numbered, with headers.
    func publish(
        _ numbers: some Sequence<Int64>, partition: Int32? = nil, text: (Int64) -> String = { _ in "hello" }
    ) throws {
        for number in numbers {
            try publisher.enqueue(
                .init(
                    topic: topic, partition: partition, key: "\(Self.firstID + number)",
                    value: Self.tweet(number, text: text(number)), headers: Self.headers(number)))
        }
        try publisher.flush()
    }

    /// Publishes one record as it is.
    func publish(_ record: KafkaPublisher.Record) throws {
        try publisher.enqueue(record)
        try publisher.flush()
    }

    /// The headers that the producer writes.
    static func headers(_ seq: Int64) -> [(name: String, value: String)] {
        [
            ("stream", "test"), ("journal", "0a1b2c3d"), ("seq", "\(seq)"),
            ("received_at", "2026-11-20T08:00:00.000Z"), ("connection", "1763700000000"),
        ]
    }

    // MARK: PostgreSQL

    /// The rows of a query, as the superuser.
    @discardableResult
    func query(_ sql: String) throws -> [[String?]] {
        let connection = try PostgresConnection.connect(
            PostgresConninfo(postgres.superuserURL(database: database)), role: .any)
        return try connection.query(sql, doing: "look").rows
    }

    /// The one number of a query; -1 while the server is away.
    func number(_ sql: String) -> Int64 {
        ((try? query(sql))?.first?.first ?? nil).flatMap { Int64($0) } ?? -1
    }

    /// How many tweets there are.
    var stored: Int64 { number("SELECT count(*) FROM tweets") }

    /// A session of the superuser that holds what it locks until it is dropped.
    func session(_ sql: String) throws -> PostgresConnection {
        var conninfo = try PostgresConninfo(postgres.superuserURL(database: database))
        conninfo.statementTimeout = nil
        let session = try PostgresConnection.connect(conninfo, role: .any)
        try session.execute("SET idle_in_transaction_session_timeout = 0; BEGIN; \(sql)")
        return session
    }

    private static let sessions = "FROM pg_stat_activity WHERE datname = current_database() AND usename = 'tweets'"

    /// Ends every session of the loaders; returns how many there were.
    @discardableResult
    func terminateSessions() throws -> Int {
        try query("SELECT pg_terminate_backend(pid) \(Self.sessions)").count
    }

    /// Waits until the loaders have done something more in PostgreSQL, so many times; false when they have not in time.
    ///
    /// Where they are refused, that is so many further attempts.
    func waitForAttempts(_ count: Int) throws -> Bool {
        for _ in 0..<count {
            let now = try query("SELECT clock_timestamp()").first?.first.flatMap { $0 } ?? ""
            guard wait(until: { number("SELECT count(*) \(Self.sessions) AND state_change > '\(now)'") > 0 }) else {
                return false
            }
        }
        return true
    }

    /// Waits until a condition holds, as `eventually`, but longer: the mock cluster needs seconds for each rebalance.
    func wait(_ patience: Duration = .seconds(120), until condition: () throws -> Bool) -> Bool {
        (try? eventually(within: patience, condition)) == true
    }

    /// Notes each insertion, so that a row that comes twice is seen although the key keeps it out.
    func noteInsertions() throws {
        try query("CREATE TABLE noted (id bigint)")
        try query("GRANT ALL ON noted TO tweets")
        try query(
            """
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO noted VALUES (NEW.id); RETURN NULL; END'
            """)
        try query("CREATE TRIGGER note AFTER INSERT ON tweets FOR EACH ROW EXECUTE FUNCTION note()")
    }

    /// Judges: lines 1 to `count` are settled, tweets once each but for those that are rejects, and the ledger says so.
    func expectAll(
        _ count: Int64, rejects: Int64 = 0, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let isThere = wait { stored >= count - rejects }
        let log = loaders.keys.sorted().map { "\($0): \(logged($0).suffix(3000))" }.joined(separator: "\n")
        #expect(isThere, "stored \(stored)\n\(log)", sourceLocation: location)
        #expect(stored == count - rejects, sourceLocation: location)
        #expect(
            try query("SELECT count(*) FROM tweets WHERE id BETWEEN \(Self.firstID + 1) AND \(Self.firstID + count)")
                == [["\(count - rejects)"]], sourceLocation: location)
        #expect(number("SELECT count(*) FROM rejects") == rejects, sourceLocation: location)
        let settled = try query(
            """
            SELECT range_agg(r) FROM (SELECT settled FROM stream_ledger UNION ALL SELECT settled FROM stream_ledger_pending)
                AS parts (settled), unnest(settled) AS r
            """)
        #expect(settled == [["{[1,\(count + 1))}"]], sourceLocation: location)
        #expect(try query(wrongHoursSQL) == [], "posts by hour", sourceLocation: location)
        if try query("SELECT to_regclass('noted') IS NOT NULL") == [["t"]] {
            #expect(
                number("SELECT count(*) - count(DISTINCT id) FROM noted") == 0, "inserted twice",
                sourceLocation: location)
        }
    }
}
