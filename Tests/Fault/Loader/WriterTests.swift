import Sandbox
import Testing

/// Several writers in one process.
@Suite(.timeLimit(.minutes(5))) struct WriterTests {
    private static func writers(_ count: Int) -> [String: String] { ["WRITERS": "\(count)"] }

    /// The writers that hold partitions.
    private func owners(_ bench: LoaderBench) -> Int64 {
        bench.number("SELECT count(DISTINCT owner) FROM loader_offsets WHERE topic = 'tweets'")
    }

    @Test("three writers store every line once, over kills and rebalances")
    func exactlyOnce() throws {
        let bench = try LoaderBench(partitions: 6)
        try bench.noteInsertions()
        try bench.start(environment: Self.writers(3))
        #expect(bench.wait { owners(bench) == 3 }, "\(bench.logged())")
        var sent: Int64 = 0
        for round in 0..<3 {
            try bench.publish(sent + 1...sent + 400)
            sent += 400
            // In the middle of what was published, or before it.
            _ = bench.wait { bench.stored > sent - 400 + Int64(round) * 100 }
            bench.loader("loader")?.kill()
            try bench.start(environment: Self.writers(3))
        }
        try bench.start("other", environment: Self.writers(2))
        try bench.publish(sent + 1...sent + 400)
        sent += 400
        try bench.expectAll(sent)
        #expect(bench.end("other"))
        try bench.publish(sent + 1...sent + 100)
        try bench.expectAll(sent + 100)
        #expect(bench.end())
    }

    @Test("while one writer waits for PostgreSQL, and when its connection is lost, the others go on")
    func oneStandsStill() throws {
        let bench = try LoaderBench(partitions: 6)
        try bench.noteInsertions()
        try bench.start(environment: Self.writers(3))
        #expect(bench.wait { owners(bench) == 3 }, "\(bench.logged())")
        let blocker = try bench.session(
            """
            CREATE TEMP TABLE stopped AS SELECT topic, partition FROM loader_offsets WHERE owner =
                (SELECT min(owner) FROM loader_offsets WHERE topic = 'tweets');
            SELECT FROM loader_offsets JOIN stopped USING (topic, partition) FOR UPDATE OF loader_offsets
            """)
        // Two partitions of six belong to each writer.
        for partition in Int32(0)..<6 {
            let first = Int64(partition) * 50
            try bench.publish(first + 1...first + 50, partition: partition)
        }
        #expect(bench.wait { bench.stored == 200 }, "\(bench.stored) \(bench.logged())")
        let waiting =
            "FROM pg_stat_activity WHERE usename = 'tweets' AND datname = current_database() AND wait_event_type = 'Lock'"
        #expect(bench.wait { bench.number("SELECT count(*) \(waiting)") == 1 })
        try bench.query("SELECT pg_terminate_backend(pid) \(waiting)")
        try bench.publish(301...400, partition: nil)
        try blocker.execute("ROLLBACK")
        try bench.expectAll(400)
        #expect(bench.end())
    }

    @Test("writers without partitions do no harm")
    func moreWritersThanPartitions() throws {
        let bench = try LoaderBench(partitions: 2)
        try bench.noteInsertions()
        try bench.start(environment: Self.writers(5))
        try bench.publish(1...300)
        try bench.expectAll(300)
        #expect(owners(bench) == 2)
        #expect(try bench.run(["status", "--json"]).contains("/5\""))
        #expect(bench.end())
        #expect(bench.logged().split(separator: "\n").count { $0.contains("stopped") } == 1, "\(bench.logged())")
    }
}
