import Core
import Glibc
import KafkaClient
import Postgres
import TweetLoader

/// A full topic into PostgreSQL, against psql's `\copy` of the very rows that landed.
struct LoaderBench {
    let rows: Int

    /// What of a tweet is loaded.
    enum Shape: String, CaseIterable {
        case tweets = "tweets without payload"
        case whole = "whole schema with payload"

        /// For the names of figures.
        var name: String { self == .tweets ? "tweets" : "whole" }
        var database: String { "bench_\(name)" }
        var includes: BenchLines.Includes { self == .whole ? .all : .none }
        var arguments: [String] { self == .tweets ? ["--payload", "drop"] : [] }
    }

    private static let patience = Duration.seconds(600)
    /// A server as one that takes loads would be set: a checkpoint in the middle would hit one measurement and spare another.
    private static let server = ["max_wal_size": "16GB", "checkpoint_timeout": "1h", "shared_buffers": "1GB"]

    func run() throws -> [Figure] {
        let postgres = try PostgresSandbox(fsync: true, settings: Self.server)
        defer { postgres.destroy() }
        return try Shape.allCases.flatMap { try measure($0, postgres) }
    }

    private func measure(_ shape: Shape, _ postgres: PostgresSandbox) throws -> [Figure] {
        let database = try postgres.createDatabase(shape.database)
        let (kafka, lineBytes) = try fill(shape)
        defer { kafka.process?.stop() }
        let loader = { try BenchService.loader(kafka, database: database, arguments: shape.arguments) }
        try loader().run("migrate")
        tellProgress("loader: \(shape.rawValue): loading \(rows) messages")
        try postgres.query("CHECKPOINT", database: shape.database)
        let first = try loader().running { try load(kafka, database, process: $0.processID) }
        var figures = describe(first, shape, lineBytes: lineBytes)
        figures += try CopyReference(postgres: postgres, database: shape.database).run(against: first.seconds, shape)
        if shape == .whole {
            tellProgress("loader: loading the same messages again")
            try postgres.query("DELETE FROM loader_offsets", database: shape.database)
            let again = try loader().running { try load(kafka, database, process: $0.processID) }
            figures += [
                Figure(
                    "redelivery_per_second", Double(rows) / again.seconds, "messages/s",
                    "loader: redelivery of settled messages"),
                Figure("redelivery_cpu", again.cpuSeconds / Double(rows) * 1e6, "µs", "  CPU time a message"),
            ]
        }
        try postgres.query("DROP DATABASE \(shape.database)", database: "postgres")
        return figures
    }

    /// Makes a topic that holds all messages.
    ///
    /// - Returns: it, and the mean length of a line.
    private func fill(_ shape: Shape) throws -> (BenchKafka, Double) {
        let lines = BenchLines(shape.includes)
        let sample = lines.make(0..<1000)
        let lineBytes = Double(sample.reduce(0) { $0 + $1.count }) / Double(sample.count)
        let kafka = try BenchKafka(keeping: lineBytes * Double(rows) * 0.4)
        tellProgress("loader: \(shape.rawValue): filling the topic")
        let producer = try KafkaProducer(kafka.configuration, logger: BenchKafka.quiet)
        let block: Int64 = 10_000
        for start in stride(from: 0, to: Int64(rows), by: Int(block)) {
            let indexes = start..<min(start + block, Int64(rows))
            for (index, line) in zip(indexes, lines.make(indexes)) {
                try enqueue(line, index, lines.id(of: index), kafka.topic, producer)
            }
        }
        while try kafka.count(in: kafka.topic) < rows { _ = producer.poll(timeout: .milliseconds(50)) }
        return (kafka, lineBytes)
    }

    private func enqueue(
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

    private struct Load {
        /// For all messages, at the rate at which they came after the first transaction.
        let seconds: Double
        /// For all messages, likewise.
        let cpuSeconds: Double
        let peakMiB: Double
    }

    /// Watches until PostgreSQL has settled every message. What comes before the first transaction is not counted, neither its
    /// time nor its messages: joining the group and finding the partitions is no part of the rate.
    private func load(_ kafka: BenchKafka, _ database: String, process: pid_t) throws -> Load {
        let observer = try PostgresConnection.connect(try PostgresConninfo(database))
        let deadline = ContinuousClock.now + Self.patience
        var first: (at: ContinuousClock.Instant, settled: Int64, cpuSeconds: Double)?
        var claimedAt: ContinuousClock.Instant?
        while true {
            let answer = try observer.query(
                "SELECT count(*), coalesce(sum(next_offset), 0)::bigint FROM loader_offsets WHERE topic = $1",
                [kafka.topic], doing: "look at the offsets")
            let (now, settled) = (ContinuousClock.now, answer.integer(0, 1) ?? 0)
            if claimedAt == nil, answer.integer(0, 0) ?? 0 > 0 { claimedAt = now }
            if settled >= Int64(rows) {
                let usage = try ProcessUsage(of: process)
                let from = first ?? (claimedAt ?? now, 0, 0)
                let share = Double(rows) / Double(max(1, Int64(rows) - from.settled))
                return Load(
                    seconds: from.at.duration(to: now).seconds * share,
                    cpuSeconds: (usage.cpuSeconds - from.cpuSeconds) * share, peakMiB: usage.peakMiB)
            }
            if first == nil, settled > 0 { first = (now, settled, try ProcessUsage(of: process).cpuSeconds) }
            guard now < deadline else {
                throw Failure(.unavailable, "the loader did not finish within \(Self.patience.short)")
            }
            usleep(5000)
        }
    }

    private func describe(_ load: Load, _ shape: Shape, lineBytes: Double) -> [Figure] {
        let perSecond = Double(rows) / load.seconds
        let decode = decodeSeconds(shape)
        return [
            Figure("loader_\(shape.name)_per_second", perSecond, "tweets/s", "loader: \(shape.rawValue)"),
            Figure("loader_\(shape.name)_bytes_per_second", perSecond * lineBytes / 1e6, "MB/s", "  the same in bytes"),
            Figure("loader_\(shape.name)_cpu", load.cpuSeconds / Double(rows) * 1e6, "µs", "  CPU time a tweet"),
            Figure("loader_\(shape.name)_decode", decode * 1e6, "µs", "  of that, decoding alone"),
            Figure(
                "loader_\(shape.name)_decode_share", decode * Double(rows) / load.cpuSeconds * 100, "%",
                "  decoding's share"),
            Figure("loader_\(shape.name)_peak_memory", load.peakMiB, "MiB", "  peak memory"),
        ]
    }

    /// How long one line takes from its bytes to a row in the COPY buffer.
    private func decodeSeconds(_ shape: Shape) -> Double {
        let lines = BenchLines(shape.includes).make(0..<5000)
        let record = RecordInfo(
            headers: RecordHeaders(stream: "bench", journal: "00000001", seq: 1, receivedAt: .now(), connection: 1),
            topicPartition: TopicPartition("tweets", 0), offset: 1)
        var decoder = TweetDecoder()
        var buffer = RelationRows()
        var best = Double.infinity
        for _ in 0..<5 {
            buffer.removeAll()
            let start = ContinuousClock.now
            for line in lines {
                _ = unsafe line.withUnsafeBytes { bytes in
                    unsafe decoder.decode(
                        bytes, record: record, payload: shape == .tweets ? .drop : .jsonb, into: &buffer)
                }
            }
            best = min(best, start.duration(to: .now).seconds / Double(lines.count))
        }
        return best
    }
}
