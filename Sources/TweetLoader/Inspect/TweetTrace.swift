import Core
import Postgres
import TweetFormat

/// The whole way of one tweet, as `explain` shows it.
struct TweetTrace: Report {
    /// How it came into its row.
    struct Stored: Encodable {
        var receivedAt: String?
        var stream: String?
        var journal: String?
        var seq: Int64?
        /// Milliseconds since 1970 when the connection was made; nil when it came on none.
        var connection: Int64?
        var connectedAt: String?
        var topic: String
        var partition: Int64
        var offset: Int64
        /// When the transaction began that committed it.
        var committedAt: String
        var isAltered: Bool
        /// The tweet whose line included it; nil when it came on a line of its own.
        var includedBy: String?
        var rules: [Rule]
        var versions: [Version]
    }

    struct Rule: Encodable {
        var id: String
        var tag: String?
        /// The text of the rule; nil when it was never recorded.
        var value: String?
    }

    /// A tombstone that deleted it, or another version of it.
    struct Deletion: Encodable {
        var tweet: String
        var deletedAt: String
        var place: String
    }

    struct Version: Encodable {
        var id: String
        var isStored: Bool
    }

    /// A message that was to become this tweet and did not.
    struct Rejection: Encodable {
        var number: Int64
        var reason: String
        var sqlstate: String?
        var detail: String?
        var rejectedAt: String
        var place: String
    }

    /// A time without a connection in which it may have been missed.
    struct Gap: Encodable {
        var stream: String
        var journal: String
        var startedAt: String
        var endedAt: String?
        var cause: String?
        var status: String
    }

    var id: String
    /// When X made the id; nil for ids from before the snowflakes.
    var madeAt: String?
    var stored: Stored?
    var rejects: [Rejection]
    var deletions: [Deletion]
    /// Gaps that it may lie in, when it is not stored and was not deleted.
    var gaps: [Gap] = []
    /// Since when streams are recorded here; nil when none is.
    var recordedSince: String?
    /// Whether it is older than the recording, so that no stream could bring it.
    var isOlderThanRecording = false

    /// Reads all that the database knows of a tweet, in one snapshot.
    init(_ id: Int64, _ connection: borrowing PostgresConnection) throws {
        self.id = "\(id)"
        madeAt = Snowflake.timestamp(of: id)?.description
        try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        stored = try Self.stored(id, connection)
        rejects = try Self.rejects(id, connection)
        deletions = try Self.deletions(id, connection)
        recordedSince = try connection.query(
            "SELECT \(rfc3339("min(at)")) FROM stream_events", doing: "look for the first event"
        ).text(0, 0)
        if let began = recordedSince.flatMap({ Timestamp($0) }) {
            // Ids without a time are from before 2010.
            isOlderThanRecording = (Snowflake.timestamp(of: id) ?? Timestamp(milliseconds: 0)) < began
        }
        // A tweet that was received, or could not be, is in no gap.
        if stored == nil, deletions.isEmpty, !isOlderThanRecording { gaps = try Self.gaps(id, connection) }
        try connection.execute("COMMIT")
    }

    private static func stored(_ id: Int64, _ connection: borrowing PostgresConnection) throws -> Stored? {
        let row = try connection.query(
            """
            SELECT \(rfc3339("received_at")), stream, journal, seq, connection, kafka_topic, kafka_partition, kafka_offset,
                \(rfc3339("inserted_at")), text_altered, included_by
            FROM tweets WHERE id = $1::bigint
            """, ["\(id)"], doing: "look for the tweet")
        guard row.rowCount == 1 else { return nil }
        return Stored(
            receivedAt: row.text(0, 0), stream: row.text(0, 1), journal: row.text(0, 2), seq: row.integer(0, 3),
            connection: row.integer(0, 4),
            connectedAt: row.integer(0, 4).map { Timestamp(milliseconds: $0).description },
            topic: row.text(0, 5) ?? "", partition: row.integer(0, 6) ?? 0, offset: row.integer(0, 7) ?? 0,
            committedAt: row.text(0, 8) ?? "", isAltered: row.text(0, 9) == "t", includedBy: row.text(0, 10),
            rules: try rules(id, connection), versions: try versions(id, connection))
    }

    private static func rules(_ id: Int64, _ connection: borrowing PostgresConnection) throws -> [Rule] {
        let answer = try connection.query(
            """
            SELECT rule_id, min(tag), min(value) FROM matched_rules WHERE tweet_id = $1::bigint
            GROUP BY rule_id ORDER BY rule_id
            """, ["\(id)"], doing: "look for rules")
        return answer.rows.map { Rule(id: $0[0] ?? "", tag: $0[1], value: $0[2]) }
    }

    private static func versions(_ id: Int64, _ connection: borrowing PostgresConnection) throws -> [Version] {
        let answer = try connection.query(
            """
            SELECT version.tweet_id, EXISTS (SELECT FROM tweets v WHERE v.id = version.tweet_id)
            FROM tweet_versions known JOIN tweet_versions version USING (chain_id)
            WHERE known.tweet_id = $1::bigint ORDER BY version.version
            """, ["\(id)"], doing: "look for versions")
        return answer.rows.map { Version(id: $0[0] ?? "", isStored: $0[1] == "t") }
    }

    private static func deletions(_ id: Int64, _ connection: borrowing PostgresConnection) throws -> [Deletion] {
        let answer = try connection.query(
            """
            SELECT tweet_id, \(rfc3339("deleted_at")), kafka_topic || '-' || kafka_partition || '@' || kafka_offset
            FROM tweet_deletions WHERE tweet_id = $1::bigint ORDER BY deleted_at
            """, ["\(id)"], doing: "look for deletions")
        return answer.rows.map { Deletion(tweet: $0[0] ?? "", deletedAt: $0[1] ?? "", place: $0[2] ?? "") }
    }

    private static func rejects(_ id: Int64, _ connection: borrowing PostgresConnection) throws -> [Rejection] {
        let answer = try connection.query(
            """
            SELECT id, reason, sqlstate, detail, \(rfc3339("rejected_at")),
                kafka_topic || '-' || kafka_partition || '@' || kafka_offset
            FROM rejects
            WHERE key = $1::bytea OR position($2::bytea IN value) > 0
            ORDER BY id LIMIT 20
            """, [byteaLiteral("\(id)".utf8), byteaLiteral("\"\(id)\"".utf8)], doing: "look for rejects")
        return (0..<answer.rowCount).map { row in
            Rejection(
                number: answer.integer(row, 0) ?? 0, reason: answer.text(row, 1) ?? "", sqlstate: answer.text(row, 2),
                detail: answer.text(row, 3), rejectedAt: answer.text(row, 4) ?? "", place: answer.text(row, 5) ?? "")
        }
    }

    /// Gaps before whose end it was made, and before whose beginning it was not received: ids carry the time.
    private static func gaps(_ id: Int64, _ connection: borrowing PostgresConnection) throws -> [Gap] {
        let answer = try connection.query(
            """
            SELECT stream, journal, \(rfc3339("started_at")), \(rfc3339("ended_at")), cause, status FROM stream_gaps
            WHERE tweet_time($1::bigint) <= coalesce(ended_at, 'infinity')
                AND ($1::bigint > newest_id OR newest_id IS NULL AND tweet_time($1::bigint) >= started_at)
            ORDER BY started_at LIMIT 20
            """, ["\(id)"], doing: "look for gaps")
        return answer.rows.map { row in
            Gap(
                stream: row[0] ?? "", journal: row[1] ?? "", startedAt: row[2] ?? "", endedAt: row[3], cause: row[4],
                status: row[5] ?? "")
        }
    }
}

extension TweetTrace {
    func text(on terminal: Terminal?) -> String {
        ([TextTable.render(header: nil, stations)] + notes).joined(separator: "\n")
    }

    /// Names and details of the places that it has passed.
    var stations: [[String]] {
        var rows = [["tweet", id], ["made", madeAt ?? "before November 2010: the id does not say when"]]
        if let stored { rows += Self.rows(of: stored) }
        for reject in rejects {
            let why = [reject.reason, reject.sqlstate, reject.detail].compactMap { $0 }.joined(separator: " ")
            rows.append(["rejected", "\(reject.rejectedAt), number \(reject.number), \(reject.place): \(why)"])
        }
        for deletion in deletions {
            rows.append(["deleted", "\(deletion.deletedAt), by the tombstone \(deletion.place)"])
        }
        return rows
    }

    /// Why it is not stored; empty when it is.
    var notes: [String] { stored == nil ? absence : [] }

    private static func rows(of stored: Stored) -> [[String]] {
        let connection = stored.connection.map { ", on connection \($0) of \(stored.connectedAt ?? "")" } ?? ""
        let line = stored.seq.map { "\(stored.stream ?? "") \(stored.journal ?? ""), line \($0)" }
        let versions = stored.versions.map { $0.id + ($0.isStored ? "" : " (not here)") }
        var rows = [
            ["received", stored.receivedAt.map { $0 + connection } ?? "not by tweet-producer"],
            ["journal", line ?? "none: the message has no headers of tweet-producer"],
            ["Kafka", "\(stored.topic)-\(stored.partition), offset \(stored.offset)"],
            ["committed", stored.committedAt],
            [
                "rules",
                stored.rules.isEmpty
                    ? "none" : stored.rules.map { $0.id + ($0.tag.map { " (\($0))" } ?? "") }.joined(separator: ", "),
            ],
        ]
        rows += stored.rules.map { ["rule \($0.id)", $0.value.map(JSONText.string) ?? "its text was never recorded"] }
        if let tweet = stored.includedBy { rows.append(["included by", "\(tweet): no rule matched it itself"]) }
        if versions.count > 1 { rows.append(["versions", versions.joined(separator: ", ")]) }
        if stored.isAltered { rows.append(["altered", "yes: payload_raw has the bytes as they came"]) }
        return rows
    }

    /// What can be said of a tweet that is not here.
    private var absence: [String] {
        if !deletions.isEmpty { return ["not here: it was deleted"] }
        if !rejects.isEmpty { return ["not here: it was rejected"] + gapLines }
        if isOlderThanRecording {
            let began = recordedSince?.prefix(10) ?? ""
            return [
                "not stored: posted before recording began (\(madeAt?.prefix(10) ?? "before 2010-11") < \(began)): never collected"
            ]
        }
        guard gaps.isEmpty else { return ["not here: no row and no reject"] + gapLines }
        let since = recordedSince.map { "since \($0), when recording began, " } ?? "no stream was recorded here: "
        return [
            "not here: no row and no reject",
            since + "no gap covers it: no rule matched it, or it is still in flight"
                + " (tweet-loader status, tweet-loader verify)",
        ]
    }

    private var gapLines: [String] {
        gaps.map { gap in
            let cause = gap.cause.map { " (\($0))" } ?? ""
            return "it may lie in a gap: \(gap.stream) \(gap.journal) was not connected from \(gap.startedAt)"
                + " to \(gap.endedAt ?? "now")\(cause), \(gap.status)"
        }
    }
}
