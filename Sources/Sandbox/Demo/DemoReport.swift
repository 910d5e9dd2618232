import FoundationEssentials

/// What is worth seeing when the demo is over: some queries with their answers, and the topic.
struct DemoReport {
    private let pipeline: LocalPipeline

    init(_ pipeline: LocalPipeline) {
        self.pipeline = pipeline
    }

    private static let queries = [
        (
            "by stream and rule",
            """
            SELECT stream, coalesce(tag, value) AS rule, count(*) FROM matched_rules GROUP BY 1, 2 ORDER BY 1, 3 DESC LIMIT 8
            """
        ),
        ("by language", "SELECT lang, count(*) FROM tweets WHERE matched GROUP BY lang ORDER BY 2 DESC LIMIT 6"),
        (
            "by hashtag",
            "SELECT '#' || hashtag AS hashtag, count(*) FROM tweet_hashtags WHERE matched GROUP BY 1 ORDER BY 2 DESC LIMIT 6"
        ),
        (
            "tweets a second, as received",
            """
            SELECT date_trunc('second', received_at) AS second, count(*), repeat('▏', (count(*) / 10)::int) AS " "
            FROM tweets WHERE matched GROUP BY 1 ORDER BY 1 DESC LIMIT 8
            """
        ),
        (
            "the gap ledger",
            "SELECT cause, started_at, ended_at - started_at AS length, status FROM stream_gaps ORDER BY started_at LIMIT 8"
        ),
    ]

    func print(to screen: Screen) {
        for (title, sql) in Self.queries {
            let answer = (try? pipeline.postgres.table(sql)) ?? ""
            screen.print("\n── \(title)\n   \(sql.replacing("\n", with: "\n   "))\n\(answer)")
        }
        screen.print(
            """

            ── the topic: one tweet a line, byte for byte as X sent it
               KAFKA_BOOTSTRAP_SERVERS=\(pipeline.bootstrapServers) kafka/console-consumer.sh --from-beginning -n 2
            """)
        for line in messages() { screen.print("   " + line.prefix(160) + (line.count > 160 ? "…" : "")) }
        screen.print("   (sandbox demo --keep leaves everything running, to look around)\n")
    }

    /// The first messages of the topic, when the script is there and finds a tool to read with.
    private func messages() -> [Substring] {
        let script = "kafka/console-consumer.sh"
        var command = ChildCommand("/usr/bin/env", ["timeout", "10", script, "--from-beginning", "-n", "2"])
        for (name, value) in pipeline.environment { command.environment[name] = value }
        command.errors = .discard
        guard FileManager.default.isExecutableFile(atPath: script), let answer = try? ChildProcess.run(command),
            answer.exit == .status(0)
        else { return [] }
        return answer.output.split(separator: "\n")
    }
}
