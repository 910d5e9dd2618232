import Core
import KafkaClient
import Postgres
import TweetFormat

/// Whether each message that Kafka still has, and that counts as settled, is in a table.
struct RowCheck: Encodable {
    /// How many messages were looked for.
    var messages: Int64 = 0
    /// How many are in no table.
    var missing: Int64 = 0
    /// The first of them, as topic-partition@offset.
    var missingMessages: [String] = []
    /// Tweets of months that are not in the database any more.
    var retired: Int64 = 0
    /// Posts that were read for accounts which were removed since.
    var discarded: Int64 = 0
    /// What could not be read, and why; empty when everything was looked for.
    var problems: [String] = []

    /// Reads every settled message that Kafka still has.
    ///
    /// - Throws: `DatabaseError` when PostgreSQL does not answer; `KafkaClientError`.
    static func make(_ settings: LoaderSettings) throws -> RowCheck {
        let kafka = try KafkaEnds(settings.kafka, group: settings.group)
        return try onDatabase(settings.conninfo, role: .writer) { connection in
            let settled = try LoaderOffsets.read(connection).compactMapValues { $0 }
            let answer = kafka.read(topics: settings.topics, known: settled.keys.sorted())
            var ranges: [TopicPartition: Range<Int64>] = [:]
            for (partition, next) in settled {
                guard let end = answer.ends[partition], end.low < min(next, end.high) else { continue }
                ranges[partition] = end.low..<min(next, end.high)
            }
            var result = try check(kafka, ranges, connection)
            result.problems = answer.problems + result.problems
            return result
        }
    }

    private static func check(
        _ kafka: KafkaEnds, _ ranges: [TopicPartition: Range<Int64>], _ connection: borrowing PostgresConnection
    ) throws -> RowCheck {
        var result = RowCheck()
        var sought = SoughtMessages()
        let failed = try kafka.messages(in: ranges) { message in
            sought.add(message)
            if sought.count >= 5000 { try result.look(for: &sought, connection) }
        }
        try result.look(for: &sought, connection)
        result.problems = failed.sorted { $0.key < $1.key }.map(\.value)
        return result
    }

    private mutating func look(for sought: inout SoughtMessages, _ connection: borrowing PostgresConnection) throws {
        messages += Int64(sought.count)
        let answer = try connection.query(SoughtMessages.sql, sought.columns, doing: "look for messages")
        for row in 0..<answer.rowCount {
            switch answer.text(row, 3) {
            case "month":
                retired += 1
                continue
            case "account":
                discarded += 1
                continue
            default: break
            }
            missing += 1
            if missingMessages.count < 100 {
                missingMessages.append(
                    "\(answer.text(row, 0) ?? "")-\(answer.text(row, 1) ?? "")@\(answer.text(row, 2) ?? "")")
            }
        }
        sought.removeAll()
    }

    /// For people.
    var text: String {
        var parts = ["rows: \(messages) settled messages are in Kafka, \(missing) of them in no table"]
        if missing > 0 { parts.append(missingMessages.joined(separator: ", ") + (missing > 100 ? ", ..." : "")) }
        if retired > 0 { parts.append("\(retired) of months that were removed") }
        if discarded > 0 { parts.append("\(discarded) of accounts that were removed") }
        return parts.joined(separator: "; ")
    }
}

/// Messages to look for in the tables.
private struct SoughtMessages: ~Copyable {
    private(set) var count = 0
    private var places: [(TopicPartition, Int64)] = []
    private var ids: [(tweet: Int64?, chain: Int64?)] = []
    private var headers: [RecordHeaders?] = []
    private var timelines: [(account: Int64, fetchedAt: String?)?] = []
    private var decoder = TweetKey()

    mutating func add(_ message: borrowing KafkaMessage) {
        let ids = unsafe message.withValue { line -> (tweet: Int64?, chain: Int64?)? in
            guard let line = unsafe line else { return nil }
            let found: (tweet: Int64?, chain: Int64?) = unsafe (decoder.id(of: line), decoder.key(of: line))
            let isHeartbeat = unsafe found.tweet == nil && PipelineEvent(line: Array(line))?.type == .alive
            return isHeartbeat ? nil : found
        }
        // A tombstone leaves nothing behind to look for, and a heartbeat only until the next one.
        guard let ids else { return }
        timelines.append(unsafe message.withValue { line in unsafe line.flatMap { unsafe decoder.timeline(of: $0) } })
        count += 1
        places.append((message.topicPartition, message.offset))
        self.ids.append(ids)
        headers.append(message.recordHeaders())
    }

    mutating func removeAll() {
        (count, places, ids, headers, timelines) = (0, [], [], [], [])
    }

    /// Arrays in the order of `sql`'s parameters.
    var columns: [String?] {
        [
            arrayLiteral(places.map { $0.0.topic }), arrayLiteral(places.map { Int64($0.0.partition) }),
            arrayLiteral(places.map { $0.1 }), arrayLiteral(ids.map(\.tweet)), arrayLiteral(ids.map(\.chain)),
            arrayLiteral(headers.map { $0?.stream }), arrayLiteral(headers.map { $0?.journal }),
            arrayLiteral(headers.map { $0?.seq }),
            arrayLiteral(ids.map { $0.tweet.map { TweetPartition(containing: $0).name } }),
            arrayLiteral(timelines.map { $0?.account }),
            arrayLiteral(timelines.map { $0?.fetchedAt.flatMap { Timestamp($0) }?.description }),
        ]
    }

    /// Topic, partition and offset of the messages that are nowhere, and what of theirs is not there either: the month, or the
    /// account that they were read for.
    static let sql = """
        SELECT m.topic, m.partition, m.kafka_offset,
            CASE WHEN m.month IS NOT NULL AND to_regclass(partition_schema() || '.' || m.month) IS NULL THEN 'month'
                WHEN EXISTS (SELECT FROM removed_accounts r WHERE r.user_id = m.account AND (m.fetched_at < r.removed_at
                    OR NOT EXISTS (SELECT FROM x_accounts a WHERE a.user_id = m.account))) THEN 'account' END
        FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
            $8::bigint[], $9::text[], $10::bigint[], $11::timestamptz[])
            AS m (topic, partition, kafka_offset, tweet_id, chain_id, stream, journal, seq, month, account, fetched_at)
        WHERE NOT EXISTS (SELECT FROM tweets t WHERE t.id = m.tweet_id)
            AND NOT EXISTS (SELECT FROM rejects r WHERE r.kafka_topic = m.topic AND r.kafka_partition = m.partition
                AND r.kafka_offset = m.kafka_offset)
            AND NOT EXISTS (SELECT FROM rejects r WHERE r.stream = m.stream AND r.journal = m.journal AND r.seq = m.seq)
            AND NOT EXISTS (SELECT FROM tweet_deletions d WHERE d.tweet_id IN (m.tweet_id, m.chain_id))
            AND NOT EXISTS (SELECT FROM stream_events e WHERE e.kafka_topic = m.topic
                AND e.kafka_partition = m.partition AND e.kafka_offset = m.kafka_offset)
            AND NOT EXISTS (SELECT FROM stream_events e WHERE e.stream = m.stream AND e.journal = m.journal
                AND e.seq = m.seq)
        """
}
