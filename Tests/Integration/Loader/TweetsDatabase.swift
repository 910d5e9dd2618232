import Core
import KafkaClient
import Postgres

@testable import TweetLoader

/// A database with the project's schema for one test, in a cluster that the tests of this process share.
struct TweetsDatabase: ~Copyable {
    let connection: PostgresConnection
    private var decoder: TweetDecoder

    init() throws {
        connection = try TestDatabase().connect()
        decoder = TweetDecoder()
    }

    /// Decodes lines, which must all be tweets, and copies their rows into all tables, with the partitions they need.
    ///
    /// For lines that name nothing twice: nothing is merged.
    /// - Returns: how many rows `tweets` got.
    @discardableResult
    mutating func copy(_ lines: [[UInt8]], payload: PayloadMode = .jsonb) throws -> Int {
        let rows = try decode(lines, payload: payload)
        for tweet in rows[.tweets].rows { try connection.execute(TweetPartition(containing: tweet.key).createSQL) }
        return try Relation.allCases.map { try copy(rows, of: $0, into: $0.table) }[0]
    }

    /// Decodes lines, copies their rows into staging tables and merges them, each line alone and in order.
    mutating func merge(_ lines: [[UInt8]], payload: PayloadMode = .jsonb) throws {
        for line in lines {
            let rows = try decode([line], payload: payload)
            for tweet in rows[.tweets].rows { try connection.execute(TweetPartition(containing: tweet.key).createSQL) }
            try connection.execute("BEGIN")
            for relation in Relation.allCases {
                try connection.execute(relation.createStagingSQL)
                try copy(rows, of: relation, into: relation.staging)
                _ = try connection.query(relation.mergeSQL, doing: "merge \(relation)")
            }
            try connection.execute("COMMIT")
        }
    }

    /// The rows of lines, which must all be tweets.
    mutating func decode(_ lines: [[UInt8]], payload: PayloadMode = .jsonb) throws -> RelationRows {
        var rows = RelationRows()
        for (offset, line) in lines.enumerated() {
            rows.beginLine(offset)
            let decoded = decoder.decode(line, payload: payload, offset: Int64(offset), into: &rows)
            guard case .tweet = decoded else { throw NotATweet(line: offset, decoded: decoded) }
        }
        return rows
    }

    @discardableResult
    func copy(_ rows: RelationRows, of relation: Relation, into table: String) throws -> Int {
        try connection.copy(
            into: table, columns: relation.columns, bytes: rows[relation].buffer.storage,
            rows: rows[relation].rows.map(\.bytes))
    }

    func query(_ sql: String) throws -> [[String?]] {
        try connection.query(sql, doing: "test").rows
    }

    /// The one value that a query has.
    func value(_ sql: String) throws -> String? {
        try query(sql).first?.first ?? nil
    }

    struct NotATweet: Error {
        let line: Int
        let decoded: DecodedLine
    }
}

extension TweetDecoder {
    /// Decodes a line that came over a stream named `test`.
    mutating func decode(
        _ line: [UInt8], payload: PayloadMode = .jsonb, offset: Int64 = 0, into rows: inout RelationRows
    ) -> DecodedLine {
        let headers = RecordHeaders(
            stream: "test", journal: "0a1b2c3d", seq: offset + 1,
            receivedAt: Timestamp(milliseconds: 1_762_000_000_123 + offset), connection: 1_761_999_999_000)
        let record = RecordInfo(headers: headers, topicPartition: TopicPartition("tweets", 3), offset: offset)
        return unsafe line.withUnsafeBytes {
            unsafe decode($0, record: record, payload: payload, into: &rows)
        }
    }
}
