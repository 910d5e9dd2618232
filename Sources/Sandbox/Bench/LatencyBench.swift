import Core
import Glibc
import Postgres

/// From the last byte of a line on the socket to its row that others can see, at a live stream's rate.
struct LatencyBench {
    let seconds: Int

    /// Posts a second that X's self-serve plans deliver at most.
    private static let rate = 250
    /// Lines of the first second are not counted: connections, partitions and plans are made then.
    private static let warmUp = rate

    func run() throws -> [Figure] {
        tellProgress("latency: \(seconds) s at \(Self.rate) tweets/s")
        let postgres = try PostgresSandbox(fsync: true)
        defer { postgres.destroy() }
        let kafka = try BenchKafka()
        defer { kafka.process?.stop() }
        let database = postgres.url()
        let lines = BenchLines(.all)
        let count = (seconds + 1) * Self.rate
        let server = try LineServer(.paced(lines.make(0..<Int64(count)), perSecond: Self.rate))
        let loader = try BenchService.loader(kafka, database: database)
        try loader.run("migrate")
        let milliseconds = try loader.running { _ in
            try waitForClaims(kafka, database)
            return try server.serving {
                try BenchService.producer(server, kafka: kafka.bootstrapServers, topic: kafka.topic).running { _ in
                    let seen = try watch(database, ids: (0..<Int64(count)).map(lines.id))
                    let sent = try server.wait(isComplete: true, atMost: .seconds(1)).sent
                    return zip(sent, seen).dropFirst(Self.warmUp).map { $0.duration(to: $1).seconds * 1000 }
                }
            }
        }
        return [
            Figure("latency_p50", milliseconds.percentile(0.5), "ms", "socket to row at \(Self.rate)/s: p50"),
            Figure("latency_p99", milliseconds.percentile(0.99), "ms", "  p99"),
            Figure("latency_max", milliseconds.max() ?? 0, "ms", "  max"),
        ]
    }

    private func waitForClaims(_ kafka: BenchKafka, _ database: String) throws {
        let observer = try PostgresConnection.connect(try PostgresConninfo(database))
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let answer = try observer.query(
                "SELECT count(*) FROM loader_offsets WHERE topic = $1", [kafka.topic], doing: "look at the claims")
            if answer.integer(0, 0) ?? 0 > 0 { return }
            guard ContinuousClock.now < deadline else { throw Failure(.unavailable, "the loader got no partitions") }
            usleep(20_000)
        }
    }

    /// When each row was first seen by another connection, which looks every few milliseconds.
    private func watch(_ database: String, ids: [Int64]) throws -> [ContinuousClock.Instant] {
        let observer = try PostgresConnection.connect(try PostgresConninfo(database))
        let places = Dictionary(uniqueKeysWithValues: zip(ids, ids.indices))
        var seen = [ContinuousClock.Instant?](repeating: nil, count: ids.count)
        var first = 0
        let deadline = ContinuousClock.now + .seconds(seconds + 60)
        while first < ids.count {
            guard ContinuousClock.now < deadline else {
                throw Failure(.unavailable, "\(ids.count - first) tweets did not become rows in time")
            }
            let answer = try observer.query(
                "SELECT id FROM tweets WHERE id BETWEEN $1 AND $2", [String(ids[first]), String(ids[ids.count - 1])],
                doing: "look for tweets")
            let now = ContinuousClock.now
            for row in 0..<answer.rowCount {
                if let place = answer.integer(row, 0).flatMap({ places[$0] }), seen[place] == nil { seen[place] = now }
            }
            while first < ids.count, seen[first] != nil { first += 1 }
            usleep(2000)
        }
        return seen.compactMap { $0 }
    }
}
