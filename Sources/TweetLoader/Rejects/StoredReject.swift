import Core
import KafkaClient
import Postgres

/// A row of `rejects`.
struct StoredReject {
    /// Number of the row.
    let id: Int64
    let reason: String
    let sqlstate: String?
    let detail: String?
    let rejectedAt: String
    /// The message, byte for byte; nil when it had no value.
    let value: [UInt8]?
    let key: [UInt8]?
    let record: RecordInfo

    /// Reads the selected rows behind a number, in the order of their numbers.
    static func read(
        _ selection: RejectSelection, after id: Int64 = 0, limit: Int, newestFirst: Bool = false,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [StoredReject] {
        let answer = try connection.query(
            """
            SELECT id, reason, sqlstate, detail, \(rfc3339("rejected_at")), encode(value, 'hex'), encode(key, 'hex'),
                stream, journal, seq, \(rfc3339("received_at")), kafka_topic, kafka_partition, kafka_offset
            FROM rejects WHERE id > $9::bigint AND \(RejectSelection.condition)
            ORDER BY id \(newestFirst ? "DESC" : "") LIMIT \(limit)
            """, selection.parameters + ["\(id)"], doing: "read rejects")
        return (0..<answer.rowCount).map { StoredReject(answer, $0) }
    }

    private init(_ answer: borrowing PostgresResult, _ row: Int) {
        id = answer.integer(row, 0) ?? 0
        reason = answer.text(row, 1) ?? ""
        sqlstate = answer.text(row, 2)
        detail = answer.text(row, 3)
        rejectedAt = answer.text(row, 4) ?? ""
        value = answer.text(row, 5).map { Self.bytes(hex: $0) }
        key = answer.text(row, 6).map { Self.bytes(hex: $0) }
        var headers: RecordHeaders?
        if let stream = answer.text(row, 7), let journal = answer.text(row, 8), let seq = answer.integer(row, 9) {
            // The connection is not kept with a reject.
            headers = RecordHeaders(
                stream: stream, journal: journal, seq: seq,
                receivedAt: answer.text(row, 10).flatMap { Timestamp($0) } ?? .now(), connection: 0)
        }
        let partition = TopicPartition(answer.text(row, 11) ?? "", Int32(clamping: answer.integer(row, 12) ?? 0))
        record = RecordInfo(headers: headers, topicPartition: partition, offset: answer.integer(row, 13) ?? 0)
    }

    private static func bytes(hex: String) -> [UInt8] {
        func digit(_ byte: UInt8) -> UInt8 {
            byte >= UInt8(ascii: "a") ? byte - UInt8(ascii: "a") + 10 : byte - UInt8(ascii: "0")
        }
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { digit(digits[$0]) << 4 | digit(digits[$0 + 1]) }
    }

    /// Whether all bytes of the line are here: of what Kafka refused only the beginning came.
    var isWhole: Bool { reason != "refused_by_kafka" }
}
