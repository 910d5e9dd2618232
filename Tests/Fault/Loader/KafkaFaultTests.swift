import Glibc
import Sandbox
import TestSupport
import Testing

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct KafkaFaultTests {
    /// The mock cluster keeps 5 MiB a partition: 12 MB of new messages push out what was not loaded.
    @Test func f54WhatRetentionDeletedIsRecordedAndPassedByPolicy() throws {
        let loaders = try LoaderRun(partitions: 2)
        try loaders.publish(1...100, partition: 0)
        try loaders.publish(101...200, partition: 1)
        try loaders.start()
        try loaders.expectAll(200)
        #expect(loaders.end())
        let long = String(repeating: "x", count: 200_000)
        try loaders.publish(201...260, partition: 0) { _ in long }
        try loaders.publish(261...300, partition: 1)

        try loaders.start(isNewGroup: true)
        #expect(loaders.wait { loaders.logged().contains("this partition is stopped") }, "\(loaders.logged())")
        #expect(loaders.wait { loaders.stored == 240 }, "the other partition goes on")
        let hole = try loaders.query("SELECT partition, first_offset, end_offset, passed_at, status FROM kafka_holes")
        let end = try #require(hole.first?[2].flatMap { Int64($0) })
        #expect(hole == [["0", "100", "\(end)", nil, "open"]])
        #expect((101..<160).contains(end))
        #expect(
            try loaders.query("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets' AND partition = 0") == [
                ["100"]
            ])
        #expect(loaders.end())
        try expectPassed(loaders, 100..<end)
    }

    /// A loader with `--on-hole continue` passes the hole in partition 0, whose lines begin with 101, and loads what is behind.
    private func expectPassed(_ loaders: LoaderRun, _ hole: Range<Int64>) throws {
        let end = hole.upperBound
        try loaders.start("second", ["--on-hole", "continue"], isNewGroup: true)
        #expect(loaders.wait { loaders.stored == 240 + 160 - end }, "\(loaders.logged("second"))")
        #expect(
            try loaders.query("SELECT first_offset, end_offset, passed_at IS NOT NULL FROM kafka_holes") == [
                ["100", "\(end)", "t"]
            ])
        let verdict = try loaders.run(["verify"], status: 65)
        let lost = Int64(hole.count)
        #expect(verdict.contains("hole: tweets-0 offsets 100 to \(end - 1), \(lost) messages"))
        #expect(verdict.contains("\(lost) lines of test 0a1b2c3d (201-\(200 + lost)) neither in Kafka nor"))
        #expect(try loaders.run(["status"]).contains("1 hole in Kafka"))
    }

    /// Loader A is stopped inside its COPY; B takes over; A finds at its return that it cannot commit.
    @Test func f55ALoaderThatWasPausedInItsCopyCannotCommit() throws {
        let loaders = try LoaderRun()
        try loaders.noteInsertions()
        let limits = ["--database-timeout", "3s"]
        let url = loaders.url
        loaders.url = url + "?application_name=first"
        let first = try loaders.start("first", limits)
        #expect(loaders.wait { loaders.number("SELECT count(*) FROM loader_offsets") == 5 })
        loaders.url = url
        try loaders.start("second", limits)
        #expect(loaders.wait { loaders.number("SELECT count(DISTINCT owner) FROM loader_offsets") == 2 })
        let lock = try loaders.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try loaders.publish(1...400)
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'first' AND wait_event_type = 'Lock'"
        #expect(loaders.wait { loaders.number(waits) > 0 })
        first.send(SIGSTOP)
        try lock.execute("COMMIT")
        #expect(
            loaders.wait { loaders.number("SELECT count(DISTINCT owner) FROM loader_offsets") == 1 },
            "\(loaders.logged("second"))")
        #expect(loaders.wait { loaders.stored == 400 })
        first.send(SIGCONT)
        try loaders.publish(401...600)
        try loaders.expectAll(600)
    }

    @Test func f56ACoordinatorThatMovesOrRefusesCommitsChangesNothing() throws {
        let kafka = try KafkaSandbox(brokers: 2, topics: ["tweets": 4, "tweets.events": 1])
        let loaders = try LoaderRun(kafka: kafka, servers: kafka.bootstrapServers)
        try loaders.noteInsertions()
        try loaders.start()
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        // OffsetCommit: coordinator not available, not coordinator, illegal generation, unknown member, rebalance.
        kafka.fail(request: 8, with: [15, 16, 22, 25, 27])
        try loaders.publish(101...200)
        try loaders.expectAll(200)
        for broker in [2, 1, 2] as [Int32] {
            kafka.setCoordinator(ofGroup: "group0", broker: broker)
            // Heartbeat: not coordinator.
            kafka.fail(request: 12, with: [16])
        }
        try loaders.publish(201...300)
        try loaders.expectAll(300)
        kafka.setBroker(2, isUp: false)
        // Longer than three heartbeats, which find no coordinator.
        endure(.milliseconds(1500))
        kafka.setBroker(2, isUp: true)
        try loaders.publish(301...400)
        try loaders.expectAll(400)
        #expect(
            loaders.number("SELECT sum(next_offset)::bigint FROM loader_offsets WHERE topic = 'tweets'") == 400,
            "PostgreSQL's offsets are the truth")
    }

    @Test func f57WhatIsNoTweetIsARejectAndThePartitionMovesOn() throws {
        let loaders = try LoaderRun(partitions: 1)
        let garbage = [
            "not json at all", #"{"data":{"id":"15000"#, #"{"version":7,"payload":{"id":1}}"#, "\u{1}\u{2}\u{3}", "",
            "[]", "null",
            #"{"data":{"id":"-5","text":"x"}}"#, #"{"data":{"text":"no id"}}"#,
            String(repeating: "[", count: 5000),
        ]
        for (index, value) in garbage.enumerated() {
            try loaders.publish(.init(topic: "tweets", partition: 0, key: "k", value: value))
            try loaders.publish(.init(topic: "tweets", partition: 0, value: LoaderRun.tweet(Int64(index))))
        }
        // Headers that only look like ours.
        try loaders.publish(
            .init(
                topic: "tweets", value: LoaderRun.tweet(500),
                headers: [("stream", "test"), ("seq", "minus one"), ("journal", "x")]))
        try loaders.start()
        #expect(loaders.wait { loaders.stored == Int64(garbage.count) + 1 }, "\(loaders.logged())")
        #expect(
            loaders.number("SELECT count(*) FROM rejects WHERE reason <> '' AND value IS NOT NULL")
                == Int64(garbage.count))
        #expect(
            loaders.number("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets'")
                == Int64(2 * garbage.count + 1))
        #expect(
            loaders.number("SELECT count(*) FROM tweets WHERE seq IS NOT NULL") == 0, "foreign messages have no number")
        #expect(loaders.number("SELECT count(*) FROM stream_ledger") == 0)
        #expect(try loaders.run(["verify", "--rows"]).contains("0 of them in no table"))
    }

    @Test func f58ATombstoneDeletesItsTweetAndOneWithoutAKeyIsAReject() throws {
        let loaders = try LoaderRun(partitions: 1)
        try loaders.publish(1...3)
        try loaders.publish(.init(topic: "tweets", value: LoaderRun.tweet(4)))
        try loaders.start()
        #expect(loaders.wait { loaders.stored == 4 })
        try loaders.publish(.init(topic: "tweets", key: "\(LoaderRun.firstID + 2)", value: nil))
        try loaders.publish(.init(topic: "tweets", value: nil))
        try loaders.publish(.init(topic: "tweets", key: "nobody", value: nil))
        #expect(loaders.wait { loaders.number("SELECT count(*) FROM rejects") == 2 }, "\(loaders.logged())")
        #expect(try loaders.query("SELECT id - \(LoaderRun.firstID) FROM tweets ORDER BY id") == [["1"], ["3"], ["4"]])
        #expect(loaders.number("SELECT count(*) FROM rejects WHERE reason = 'tombstone_without_id'") == 2)
        #expect(loaders.number("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets'") == 7)
    }
}
