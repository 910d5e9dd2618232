/// How the loader's rate holds while the tables grow, by number of tweets and of writers.
struct ScaleBench {
    let sizes: [Int]
    let writers: [Int]

    /// The most that a tweet of the last million may cost, as a multiple of one of the first million.
    private static let bar = 1.15
    private static let shape = LoadShape.lean

    func run() throws -> [Figure] {
        let database = try BenchDatabase(countsStatements: false)
        defer { database.postgres.destroy() }
        return try sizes.flatMap { size in
            let topic = try FilledTopic(Self.shape, rows: size)
            defer { topic.kafka.process?.stop() }
            return try writers.flatMap { try measure(topic, $0, database) }
        }
    }

    private func measure(_ topic: FilledTopic, _ writers: Int, _ database: BenchDatabase) throws -> [Figure] {
        tellProgress("scale: \(topic.rows) tweets, \(writersText(writers))")
        let load = try database.with("bench_scale", topic) {
            try LoadRun(topic, Self.shape, database: $0, writers: writers)
        }
        let part = min(1_000_000, max(1, topic.rows / 4))
        let name = "scale_\(topic.rows)_\(writers)"
        return [
            Figure(
                "\(name)_per_second", load.perSecond, "tweets/s",
                "scale: \(topic.rows) tweets, \(writersText(writers))"),
            Figure(
                "\(name)_slowdown", load.slowdown(over: part), "", "  cost of a tweet, last \(part) ÷ first \(part)",
                atMost: Self.bar),
            Figure("\(name)_peak_memory", load.peakMiB, "MiB", "  peak memory"),
        ]
    }
}
