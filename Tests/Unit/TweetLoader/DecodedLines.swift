import Core
import KafkaClient
import TweetFormat

@testable import TweetLoader

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
