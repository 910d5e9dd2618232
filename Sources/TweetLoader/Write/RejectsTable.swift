import Postgres

/// Writes the rejects of a batch, each with its bytes; one that is there already stays as it is.
enum RejectsTable {
    static func insert(
        _ rejects: [Batch.Reject], of batch: borrowing Batch, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !rejects.isEmpty else { return }
        let messages = rejects.map { batch.messages[$0.message] }
        let (raw, heads) = (batch.raw, rejects.map(\.head))
        let values = zip(heads, messages).map { head, message in
            head.map { byteaLiteral($0) } ?? message.value.map { byteaLiteral(raw[$0]) }
        }
        _ = try connection.query(
            """
            INSERT INTO rejects (reason, sqlstate, detail, value, key, stream, journal, seq, received_at,
                kafka_topic, kafka_partition, kafka_offset)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::text[],
                $8::bigint[], $9::timestamptz[], $10::text[], $11::integer[], $12::bigint[])
            ON CONFLICT DO NOTHING
            """,
            [
                arrayLiteral(rejects.map(\.reason)),
                arrayLiteral(rejects.map(\.sqlstate)),
                arrayLiteral(rejects.map { $0.detail.map(storable) }),
                arrayLiteral(values),
                arrayLiteral(messages.map { $0.key.map { byteaLiteral(raw[$0]) } }),
            ] + sourceColumns(messages, at: messages.map { $0.headers?.receivedAt.description }),
            doing: "insert rejects")
    }
}

/// Stream, journal, number, time and place in Kafka, in the order of both tables.
func sourceColumns(_ messages: [Batch.Message], at times: [String?]) -> [String?] {
    [
        arrayLiteral(messages.map { $0.headers?.stream }),
        arrayLiteral(messages.map { $0.headers?.journal }),
        arrayLiteral(messages.map { $0.headers?.seq }),
        arrayLiteral(times),
        arrayLiteral(messages.map(\.partition.topic)),
        arrayLiteral(messages.map { Int64($0.partition.partition) }),
        arrayLiteral(messages.map(\.offset)),
    ]
}

/// Text that PostgreSQL can hold: NUL becomes U+FFFD.
func storable(_ text: String) -> String {
    text.utf8.contains(0) ? String(text.map { $0 == "\0" ? "\u{FFFD}" : $0 }) : text
}
