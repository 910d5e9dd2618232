import Core
import KafkaClient
import TweetLoader

/// The loader's decoder alone, in this program.
enum DecoderBench {
    /// How long one line takes from its bytes to rows in the COPY buffers: the best of five rounds.
    static func secondsPerLine(_ shape: LoadShape) -> Double {
        let lines = BenchLines(shape.includes, people: FilledTopic.people).make(0..<5000)
        let record = RecordInfo(
            headers: RecordHeaders(stream: "bench", journal: "00000001", seq: 1, receivedAt: .now(), connection: 1),
            topicPartition: TopicPartition("tweets", 0), offset: 1)
        let payload = PayloadMode(rawValue: shape.payload) ?? .jsonb
        var decoder = TweetDecoder()
        var buffer = RelationRows()
        var best = Double.infinity
        for _ in 0..<5 {
            buffer.removeAll()
            let start = ContinuousClock.now
            for line in lines {
                _ = unsafe line.withUnsafeBytes { bytes in
                    unsafe decoder.decode(bytes, record: record, payload: payload, into: &buffer)
                }
            }
            best = min(best, start.duration(to: .now).seconds / Double(lines.count))
        }
        return best
    }
}
