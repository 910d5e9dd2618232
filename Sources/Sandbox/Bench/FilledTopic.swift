import Core
import KafkaClient

/// A topic that holds made-up tweets, with the headers that the producer writes.
struct FilledTopic {
    let kafka: BenchKafka
    let rows: Int
    /// Mean length of a line, in bytes.
    let lineBytes: Double

    /// Authors of the lines: most tweets of a batch have one that was not seen before, as on a stream.
    static let people = 1_000_000
    private static let block: Int64 = 10_000

    /// Makes the topic and fills it.
    ///
    /// - Parameters:
    ///   - shape: which lines.
    ///   - rows: how many.
    /// - Throws: `Failure` when there is no broker.
    init(_ shape: LoadShape, rows: Int) throws {
        let lines = BenchLines(shape.includes, people: Self.people)
        let sample = lines.make(0..<1000)
        lineBytes = Double(sample.reduce(0) { $0 + $1.count }) / Double(sample.count)
        self.rows = rows
        kafka = try BenchKafka(keeping: lineBytes * Double(rows) * 0.4)
        tellProgress("\(shape.rawValue): filling a topic with \(rows) messages")
        let producer = try KafkaProducer(kafka.configuration, logger: BenchKafka.quiet)
        for start in stride(from: 0, to: Int64(rows), by: Int(Self.block)) {
            let indexes = start..<min(start + Self.block, Int64(rows))
            for (index, line) in zip(indexes, lines.make(indexes)) {
                try Self.enqueue(line, index, lines.id(of: index), kafka.topic, producer)
            }
        }
        while try kafka.count(in: kafka.topic) < rows { _ = producer.poll(timeout: .milliseconds(50)) }
    }

    private static func enqueue(
        _ line: [UInt8], _ index: Int64, _ id: Int64, _ topic: String, _ producer: KafkaProducer
    ) throws {
        let headers = RecordHeaders(
            stream: "bench", journal: "00000001", seq: index + 1, receivedAt: .now(), connection: 1)
        while true {
            do {
                return try unsafe Array(String(id).utf8).withBytes { (key) throws(KafkaError) in
                    try unsafe line.withBytes { (value) throws(KafkaError) in
                        try unsafe producer.enqueue(
                            topic: topic, key: key, value: value, headers: headers, id: index + 1)
                    }
                }
            } catch {
                guard error.disposition == .queueFull else { throw Failure(.unavailable, "\(error)") }
                _ = producer.poll(timeout: .milliseconds(50))
            }
        }
    }
}
