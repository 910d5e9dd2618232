import Core
import KafkaClient
import Postgres
import Sandbox
import Synchronization
import Testing

@testable import TweetLoader

/// A database of its own for one test, in a cluster that all tests of this process share.
struct TestDatabase: Sendable {
    let name: String
    let url: String

    private static let server = Result { try PostgresSandbox() }
    private static let counter = Atomic(0)
    /// A database with the schema, for others to copy: applying it takes longer.
    private static let template = Result {
        let name = "template_of_tests"
        _ = try Migration.apply(
            to: PostgresConnection.connect(PostgresConninfo(server.get().createDatabase(name))))
        return name
    }

    /// Makes the database, with or without the schema.
    init(migrated: Bool = true) throws {
        name = "test\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        url = try Self.server.get().createDatabase(name, template: migrated ? Self.template.get() : nil)
    }

    /// Makes a database without the schema, with an encoding and an owner of its own; its locale is C, which fits them all.
    init(encoding: String = "UTF8", owner: String = "tweets") throws {
        name = "test\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        let server = try Self.server.get()
        try server.query(
            """
            CREATE DATABASE \(name) OWNER \(owner) TEMPLATE template0 ENCODING '\(encoding)' LC_COLLATE 'C' LC_CTYPE 'C'
            """, database: "postgres")
        url = server.url(database: name)
    }

    /// The port of the cluster.
    static var port: Int { get throws { try server.get().port } }

    func connect() throws -> PostgresConnection {
        try PostgresConnection.connect(PostgresConninfo(url))
    }

    /// Runs statements as the owner and returns the last one's rows.
    @discardableResult
    func query(_ sql: String, _ parameters: [String?] = []) throws -> [[String?]] {
        try connect().query(sql, parameters, doing: "test").rows
    }

    /// Runs statements as the superuser.
    func superuser(_ sql: String) throws -> String {
        try Self.server.get().query(sql, database: name)
    }
}

/// Tweet lines and batches of them.
enum TestLines {
    /// Ids of one month, far from the present.
    static let firstID: Int64 = 1_500_000_000_000_000_000

    static func tweet(_ id: Int64, text: String = "hello", extra: String = "") -> String {
        #"{"data":{"id":"\#(id)","text":"\#(text)","author_id":"7"\#(extra)},"matching_rules":[{"id":"1","tag":"r"}]}"#
    }

    static func headers(_ seq: Int64, journal: String = "0a1b2c3d") -> RecordHeaders {
        RecordHeaders(
            stream: "test", journal: journal, seq: seq, receivedAt: Timestamp(milliseconds: 1_760_000_000_000),
            connection: 1_759_999_999_000)
    }

    static let partition = TopicPartition("tweets", 0)

    /// A batch of these lines, at offsets and sequence numbers from 0 and 1.
    static func batch(_ lines: [String?], partition: TopicPartition = partition, firstOffset: Int64 = 0) -> Batch {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let offset = firstOffset + Int64(index)
            let record = RecordInfo(headers: headers(offset + 1), topicPartition: partition, offset: offset)
            batch.add(
                record, key: Array("42".utf8), value: line.map { Array($0.utf8) }, decoder: &decoder, payload: .jsonb)
        }
        return batch
    }

    static func tweets(_ count: Int, from first: Int64 = firstID) -> [String?] {
        (0..<count).map { tweet(first + Int64($0)) }
    }
}

extension TestDatabase {
    /// What the server has logged about a loader's connection.
    func serverLog(of loader: Loader) throws -> [Substring] {
        let pid = try loader.session.attempt { connection in
            try connection.query("SELECT pg_backend_pid()", doing: "test").rows[0][0] ?? ""
        }
        return try Self.server.get().log.split(separator: "\n").filter { $0.contains("[\(pid)]") }
    }
}
