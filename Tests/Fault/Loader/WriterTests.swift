import Sandbox
import TestSupport
import Testing

/// Several writers in one process.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct WriterTests {
    private static func writers(_ count: Int) -> [String: String] { ["WRITERS": "\(count)"] }

    /// The writers that hold partitions.
    private func owners(_ loaders: LoaderRun) -> Int64 {
        loaders.number("SELECT count(DISTINCT owner) FROM loader_offsets WHERE topic = 'tweets'")
    }

    @Test("three writers store every line once, over kills and rebalances")
    func exactlyOnce() throws {
        let loaders = try LoaderRun(partitions: 6)
        try loaders.noteInsertions()
        try loaders.start(environment: Self.writers(3))
        #expect(loaders.wait { owners(loaders) == 3 }, "\(loaders.logged())")
        var sent: Int64 = 0
        for round in 0..<3 {
            try loaders.publish(sent + 1...sent + 400)
            sent += 400
            // In the middle of what was published, or before it.
            _ = loaders.wait { loaders.stored > sent - 400 + Int64(round) * 100 }
            loaders.loader("loader")?.kill()
            try loaders.start(environment: Self.writers(3))
        }
        try loaders.start("other", environment: Self.writers(2))
        try loaders.publish(sent + 1...sent + 400)
        sent += 400
        try loaders.expectAll(sent)
        #expect(loaders.end("other"))
        try loaders.publish(sent + 1...sent + 100)
        try loaders.expectAll(sent + 100)
        #expect(loaders.end())
    }

    @Test("while one writer waits for PostgreSQL, and when its connection is lost, the others go on")
    func oneStandsStill() throws {
        let loaders = try LoaderRun(partitions: 6)
        try loaders.noteInsertions()
        try loaders.start(environment: Self.writers(3))
        #expect(loaders.wait { owners(loaders) == 3 }, "\(loaders.logged())")
        let blocker = try loaders.session(
            """
            CREATE TEMP TABLE stopped AS SELECT topic, partition FROM loader_offsets WHERE owner =
                (SELECT min(owner) FROM loader_offsets WHERE topic = 'tweets');
            SELECT FROM loader_offsets JOIN stopped USING (topic, partition) FOR UPDATE OF loader_offsets
            """)
        // Two partitions of six belong to each writer.
        for partition in Int32(0)..<6 {
            let first = Int64(partition) * 50
            try loaders.publish(first + 1...first + 50, partition: partition)
        }
        #expect(loaders.wait { loaders.stored == 200 }, "\(loaders.stored) \(loaders.logged())")
        let waiting =
            "FROM pg_stat_activity WHERE usename = 'tweets' AND datname = current_database() AND wait_event_type = 'Lock'"
        #expect(loaders.wait { loaders.number("SELECT count(*) \(waiting)") == 1 })
        try loaders.query("SELECT pg_terminate_backend(pid) \(waiting)")
        try loaders.publish(301...400, partition: nil)
        try blocker.execute("ROLLBACK")
        try loaders.expectAll(400)
        #expect(loaders.end())
    }

    @Test("writers without partitions do no harm")
    func moreWritersThanPartitions() throws {
        let loaders = try LoaderRun(partitions: 2)
        try loaders.noteInsertions()
        try loaders.start(environment: Self.writers(5))
        try loaders.publish(1...300)
        try loaders.expectAll(300)
        // All of it may be stored before the last writer has joined the group.
        #expect(loaders.wait { owners(loaders) == 2 })
        #expect(loaders.wait { try loaders.run(["status", "--json"]).contains("/5\"") })
        #expect(loaders.end())
        #expect(loaders.logged().split(separator: "\n").count { $0.contains("stopped") } == 1, "\(loaders.logged())")
    }
}
