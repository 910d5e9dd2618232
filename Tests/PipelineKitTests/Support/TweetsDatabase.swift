import PipelineKit
import Sandbox
import Synchronization

/// A database with the project's schema for one test, in a cluster that the tests of this process share.
struct TweetsDatabase: ~Copyable {
    let connection: PostgresConnection
    private var decoder: TweetDecoder

    private static let server = Result { try PostgresSandbox() }
    private static let counter = Atomic(0)

    init() throws {
        let name = "tweets\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        let url = try Self.server.get().createDatabase(name)
        let connection = try PostgresConnection.connect(PostgresConninfo(url))
        _ = try Migration.apply(to: connection)
        self.connection = connection
        decoder = TweetDecoder()
    }

    /// Decodes lines, which must all be tweets, and copies their rows into a table, with the partitions they need.
    @discardableResult
    mutating func copy(_ lines: [[UInt8]], payload: PayloadMode = .jsonb, into table: String = "tweets") throws -> Int {
        var rows = CopyBuffer()
        for (offset, line) in lines.enumerated() {
            let decoded = decoder.decode(line, payload: payload, offset: Int64(offset), into: &rows)
            guard case .tweet(let id, _) = decoded else { throw NotATweet(line: offset, decoded: decoded) }
            try connection.execute(TweetPartition(containing: id).createSQL)
        }
        return try connection.copy(
            into: table, columns: TweetRow.columns, bytes: rows.storage, rows: CollectionOfOne(0..<rows.count))
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
        _ line: [UInt8], payload: PayloadMode = .jsonb, offset: Int64 = 0, into rows: inout CopyBuffer
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
