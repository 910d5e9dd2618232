import KafkaClient
import Postgres
import TweetFormat

/// A row for each table that PostgreSQL should accept: it distinguishes an invalid row from a table that accepts no row at all.
struct ProbeRow {
    private var good: [Relation: [UInt8]] = [:]

    /// Keeps the bytes of a line's rows that were stored.
    mutating func remember(_ rows: RelationRows, of message: Int) {
        for relation in Relation.allCases {
            guard let row = rows.rows(relation, of: message...message).first else { continue }
            good[relation] = Array(rows[relation].buffer.storage[row.bytes])
        }
    }

    /// Whether PostgreSQL takes a row in every table; nothing of them stays. That one is there already is a good answer too.
    ///
    /// - Throws: `PostgresError` that is not a matter of a row.
    func isTaken(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Bool {
        let example = Self.example
        for relation in Relation.allCases {
            for row in [good[relation], example[relation]].compactMap({ $0 }) {
                switch try answer(to: row, in: relation, connection) {
                case nil: break
                case false?: return false
                // Its month was dropped since: that says nothing about today's rows.
                case true?: continue
                }
                break
            }
        }
        return true
    }

    /// Nil when the row is taken, or whether only its partition is missing.
    private func answer(
        to row: [UInt8], in relation: Relation, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool? {
        try connection.execute("SAVEPOINT probe")
        var answer: Bool?
        do {
            try connection.copy(
                into: relation.table, columns: relation.columns, bytes: row, rows: [row.indices])
        } catch {
            guard error.disposition == .rejectRow else { throw error }
            if !error.isUniqueViolation { answer = error.isPartitionMissing }
        }
        try connection.execute("ROLLBACK TO SAVEPOINT probe; RELEASE SAVEPOINT probe")
        return answer
    }

    /// For a loader that has stored nothing yet: a whole line, made now, so that its partition exists.
    private static var example: [Relation: [UInt8]] {
        let id = Snowflake.firstID(at: .now()) ?? 1
        let line = """
            {"data":{"id":"\(id)","text":"probe","created_at":"2026-01-01T00:00:00.000Z","author_id":"1","lang":"en",\
            "conversation_id":"\(id)","edit_history_tweet_ids":["1","\(id)"],"possibly_sensitive":false,"source":"probe",\
            "reply_settings":"everyone","in_reply_to_user_id":"1","public_metrics":{"retweet_count":1,"reply_count":1,\
            "like_count":1,"quote_count":1,"bookmark_count":1,"impression_count":1},\
            "context_annotations":[{"domain":{"id":"1","name":"probe"},"entity":{"id":"1","name":"probe"}}],\
            "entities":{"hashtags":[{"start":0,"end":5,"tag":"probe"}]}},"matching_rules":[{"id":"1","tag":"probe"}],\
            "includes":{"users":[{"id":"1","username":"probe","name":"probe"}],"media":[{"media_key":"1_1"}],\
            "polls":[{"id":"1"}],"places":[{"id":"1"}]},"errors":[{"title":"probe"}]}
            """
        var decoder = TweetDecoder()
        var rows = RelationRows()
        let record = RecordInfo(headers: nil, topicPartition: TopicPartition("probe", 0), offset: 0)
        unsafe Array(line.utf8).withUnsafeBytes {
            _ = unsafe decoder.decode($0, record: record, payload: .drop, into: &rows)
        }
        var probe = ProbeRow()
        probe.remember(rows, of: 0)
        return probe.good
    }
}
