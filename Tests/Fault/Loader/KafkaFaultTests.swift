import Glibc
import Sandbox
import Testing

@Suite(.timeLimit(.minutes(4))) struct KafkaFaultTests {
    /// The mock cluster keeps 5 MiB a partition: 12 MB of new messages push out what was not loaded.
    @Test func f54WhatRetentionDeletedIsRecordedAndPassedByPolicy() throws {
        let bench = try LoaderBench(partitions: 2)
        try bench.publish(1...100, partition: 0)
        try bench.publish(101...200, partition: 1)
        try bench.start()
        try bench.expectAll(200)
        #expect(bench.end())
        let long = String(repeating: "x", count: 200_000)
        try bench.publish(201...260, partition: 0) { _ in long }
        try bench.publish(261...300, partition: 1)

        try bench.start(isNewGroup: true)
        #expect(bench.wait { bench.logged().contains("this partition is stopped") }, "\(bench.logged())")
        #expect(bench.wait { bench.stored == 240 }, "the other partition goes on")
        let hole = try bench.query("SELECT partition, first_offset, end_offset, passed_at, status FROM kafka_holes")
        let end = try #require(hole.first?[2].flatMap { Int64($0) })
        #expect(hole == [["0", "100", "\(end)", nil, "open"]])
        #expect((101..<160).contains(end))
        #expect(
            try bench.query("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets' AND partition = 0") == [
                ["100"]
            ])
        #expect(bench.end())

        try bench.start("second", ["--on-hole", "continue"], isNewGroup: true)
        #expect(bench.wait { bench.stored == 240 + 160 - end }, "\(bench.logged("second"))")
        #expect(
            try bench.query("SELECT first_offset, end_offset, passed_at IS NOT NULL FROM kafka_holes") == [
                ["100", "\(end)", "t"]
            ])
        let verdict = try bench.run(["verify"], status: 65)
        let lost = end - 100
        #expect(verdict.contains("hole: tweets-0 offsets 100 to \(end - 1), \(lost) messages"))
        #expect(verdict.contains("\(lost) lines of test 0a1b2c3d (201-\(200 + lost)) neither in Kafka nor"))
        #expect(try bench.run(["status"]).contains("1 hole in Kafka"))
    }

    /// Loader A is stopped inside its COPY; B takes over; A finds at its return that it cannot commit.
    @Test func f55ALoaderThatWasPausedInItsCopyCannotCommit() throws {
        let bench = try LoaderBench()
        try bench.noteInsertions()
        let limits = ["--database-timeout", "3s"]
        let url = bench.url
        bench.url = url + "?application_name=first"
        let first = try bench.start("first", limits)
        #expect(bench.wait { bench.number("SELECT count(*) FROM loader_offsets") == 5 })
        bench.url = url
        try bench.start("second", limits)
        #expect(bench.wait { bench.number("SELECT count(DISTINCT owner) FROM loader_offsets") == 2 })
        let lock = try bench.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try bench.publish(1...400)
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'first' AND wait_event_type = 'Lock'"
        #expect(bench.wait { bench.number(waits) > 0 })
        first.send(SIGSTOP)
        try lock.execute("COMMIT")
        #expect(
            bench.wait { bench.number("SELECT count(DISTINCT owner) FROM loader_offsets") == 1 },
            "\(bench.logged("second"))")
        #expect(bench.wait { bench.stored == 400 })
        first.send(SIGCONT)
        try bench.publish(401...600)
        try bench.expectAll(600)
    }

    @Test func f56ACoordinatorThatMovesOrRefusesCommitsChangesNothing() throws {
        let kafka = try KafkaSandbox(brokers: 2, topics: ["tweets": 4, "tweets.events": 1])
        let bench = try LoaderBench(kafka: kafka, servers: kafka.bootstrapServers)
        try bench.noteInsertions()
        try bench.start()
        try bench.publish(1...100)
        try bench.expectAll(100)
        // OffsetCommit: coordinator not available, not coordinator, illegal generation, unknown member, rebalance.
        kafka.fail(request: 8, with: [15, 16, 22, 25, 27])
        try bench.publish(101...200)
        try bench.expectAll(200)
        for broker in [2, 1, 2] as [Int32] {
            kafka.setCoordinator(ofGroup: "group0", broker: broker)
            // Heartbeat: not coordinator.
            kafka.fail(request: 12, with: [16])
        }
        try bench.publish(201...300)
        try bench.expectAll(300)
        kafka.setBroker(2, isUp: false)
        // Longer than three heartbeats, which find no coordinator.
        usleep(1_500_000)
        kafka.setBroker(2, isUp: true)
        try bench.publish(301...400)
        try bench.expectAll(400)
        #expect(
            bench.number("SELECT sum(next_offset)::bigint FROM loader_offsets WHERE topic = 'tweets'") == 400,
            "PostgreSQL's offsets are the truth")
    }

    @Test func f57WhatIsNoTweetIsARejectAndThePartitionMovesOn() throws {
        let bench = try LoaderBench(partitions: 1)
        let garbage = [
            "not json at all", #"{"data":{"id":"15000"#, #"{"version":7,"payload":{"id":1}}"#, "\u{1}\u{2}\u{3}", "",
            "[]", "null",
            #"{"data":{"id":"-5","text":"x"}}"#, #"{"data":{"text":"no id"}}"#,
            String(repeating: "[", count: 5000),
        ]
        for (index, value) in garbage.enumerated() {
            try bench.publish(.init(topic: "tweets", partition: 0, key: "k", value: value))
            try bench.publish(.init(topic: "tweets", partition: 0, value: LoaderBench.tweet(Int64(index))))
        }
        // Headers that only look like ours.
        try bench.publish(
            .init(
                topic: "tweets", value: LoaderBench.tweet(500),
                headers: [("stream", "test"), ("seq", "minus one"), ("journal", "x")]))
        try bench.start()
        #expect(bench.wait { bench.stored == Int64(garbage.count) + 1 }, "\(bench.logged())")
        #expect(
            bench.number("SELECT count(*) FROM rejects WHERE reason <> '' AND value IS NOT NULL")
                == Int64(garbage.count))
        #expect(
            bench.number("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets'")
                == Int64(2 * garbage.count + 1))
        #expect(
            bench.number("SELECT count(*) FROM tweets WHERE seq IS NOT NULL") == 0, "foreign messages have no number")
        #expect(bench.number("SELECT count(*) FROM stream_ledger") == 0)
        #expect(try bench.run(["verify", "--rows"]).contains("0 of them in no table"))
    }

    @Test func f58ATombstoneDeletesItsTweetAndOneWithoutAKeyIsAReject() throws {
        let bench = try LoaderBench(partitions: 1)
        try bench.publish(1...3)
        try bench.publish(.init(topic: "tweets", value: LoaderBench.tweet(4)))
        try bench.start()
        #expect(bench.wait { bench.stored == 4 })
        try bench.publish(.init(topic: "tweets", key: "\(LoaderBench.firstID + 2)", value: nil))
        try bench.publish(.init(topic: "tweets", value: nil))
        try bench.publish(.init(topic: "tweets", key: "nobody", value: nil))
        #expect(bench.wait { bench.number("SELECT count(*) FROM rejects") == 2 }, "\(bench.logged())")
        #expect(try bench.query("SELECT id - \(LoaderBench.firstID) FROM tweets ORDER BY id") == [["1"], ["3"], ["4"]])
        #expect(bench.number("SELECT count(*) FROM rejects WHERE reason = 'tombstone_without_id'") == 2)
        #expect(bench.number("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets'") == 7)
    }
}
