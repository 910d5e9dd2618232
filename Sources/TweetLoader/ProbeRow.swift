import PipelineKit

/// A row that PostgreSQL should take: it tells a bad row from a table that takes no row at all.
struct ProbeRow {
    private var bytes: [UInt8]?

    /// Keeps the bytes of a row that was stored.
    mutating func remember(_ row: ArraySlice<UInt8>) {
        bytes = Array(row)
    }

    /// Whether PostgreSQL takes the row; nothing of it stays. That it is there already is a good answer too.
    ///
    /// - Throws: `PostgresError` that is not a matter of a row.
    func isTaken(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Bool {
        let bytes = bytes ?? Self.example
        try connection.execute("SAVEPOINT probe")
        var answer = true
        do {
            try connection.copy(
                into: "tweets", columns: TweetRow.columns, bytes: bytes, rows: CollectionOfOne(bytes.indices))
        } catch {
            guard error.disposition == .rejectRow else { throw error }
            answer = error.isUniqueViolation
        }
        try connection.execute("ROLLBACK TO SAVEPOINT probe; RELEASE SAVEPOINT probe")
        return answer
    }

    /// For a loader that has stored nothing yet: a whole tweet, made now, so that its partition exists.
    private static var example: [UInt8] {
        let id = Snowflake.firstID(at: .now()) ?? 1
        let line = """
            {"data":{"id":"\(id)","text":"probe","created_at":"2026-01-01T00:00:00.000Z","author_id":"1","lang":"en",\
            "conversation_id":"\(id)","edit_history_tweet_ids":["\(id)"],"possibly_sensitive":false,"source":"probe",\
            "reply_settings":"everyone","in_reply_to_user_id":"1","public_metrics":{"retweet_count":1,"reply_count":1,\
            "like_count":1,"quote_count":1,"bookmark_count":1,"impression_count":1},\
            "entities":{"hashtags":[{"start":0,"end":5,"tag":"probe"}]}},"matching_rules":[{"id":"1","tag":"probe"}]}
            """
        var decoder = TweetDecoder()
        var buffer = CopyBuffer()
        let record = RecordInfo(headers: nil, topicPartition: TopicPartition("probe", 0), offset: 0)
        unsafe Array(line.utf8).withUnsafeBytes {
            _ = unsafe decoder.decode($0, record: record, payload: .drop, into: &buffer)
        }
        return Array(buffer.storage[..<buffer.count])
    }
}
