import Foundation
import Harness
import KafkaClient
import Sandbox
import TestSupport
import Testing

/// Offsets say the truth: about which log, and how far.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct LogFaultTests {
    /// The same database in front of another broker with a topic of the same name.
    private func other(_ loaders: LoaderRun, partitions: Int = 1) throws -> LoaderRun {
        let next = try LoaderRun(partitions: partitions)
        next.url = loaders.url
        return next
    }

    @Test("a topic that was created again is noticed although its log is longer, and loaded whole by policy")
    func aLongerLog() throws {
        let loaders = try LoaderRun(partitions: 1)
        try loaders.publish(1...100)
        try loaders.start()
        try loaders.expectAll(100)
        #expect(loaders.end())

        let next = try other(loaders)
        try next.publish(1001...1250)
        try next.start()
        #expect(
            next.wait { next.logged().contains("a topic's messages are not those that were loaded") },
            "\(next.logged())")
        #expect(
            try loaders.query("SELECT first_offset, end_offset, cause, passed_at FROM kafka_holes") == [
                ["100", nil, "replaced", nil]
            ])
        #expect(next.logged().contains("--on-hole continue"))
        #expect(next.end())
        #expect(loaders.stored == 100, "the partition is stopped")

        try next.start("second", ["--on-hole", "continue"], isNewGroup: true)
        #expect(next.wait { loaders.stored == 350 }, "\(next.logged("second"))")
        #expect(
            try loaders.query("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets'") == [["250"]])
        #expect(next.end("second"))
        // It is the known log now.
        try next.publish(1251...1260)
        try next.start("third", isNewGroup: true)
        #expect(next.wait { loaders.stored == 360 }, "\(next.logged("third"))")
        #expect(loaders.number("SELECT count(*) FROM kafka_holes") == 1)
    }

    @Test("a topic that was created again is noticed when its log ends before the offset", arguments: [99, 100, 40])
    func aShorterLog(count: Int64) throws {
        let loaders = try LoaderRun(partitions: 1)
        try loaders.publish(1...100)
        try loaders.start()
        try loaders.expectAll(100)
        #expect(loaders.end())

        let next = try other(loaders)
        try next.publish(1001...1000 + count)
        try next.start("loader", ["--on-hole", "continue"])
        #expect(next.wait { loaders.stored == 100 + count }, "\(next.logged())")
        #expect(try loaders.query("SELECT cause FROM kafka_holes") == [["replaced"]])
    }

    @Test("a remembered message that retention has deleted is no hole")
    func anExpiredMark() throws {
        let loaders = try LoaderRun(partitions: 1)
        let long = String(repeating: "x", count: 200_000)
        try loaders.publish(1...100)
        try loaders.start()
        try loaders.expectAll(100)
        #expect(loaders.end())
        // As if the partition had been idle until everything settled had expired.
        try loaders.publish(101...160) { _ in long }
        let kept = try loaders.oldestKept()
        try loaders.query("UPDATE loader_offsets SET next_offset = \(kept), mark_offset = 50 WHERE topic = 'tweets'")
        try loaders.start("second", isNewGroup: true)
        #expect(loaders.wait { loaders.stored == 100 + 160 - kept }, "\(loaders.logged("second"))")
        #expect(loaders.number("SELECT count(*) FROM kafka_holes") == 0)
    }

    @Test("a different assignment strategy of the group is in log and status with the remedy, until it ends")
    func groupProtocol() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 1, "tweets.events": 1])
        let loaders = try LoaderRun(kafka: kafka, servers: kafka.bootstrapServers)
        // JoinGroup: inconsistent group protocol.
        kafka.fail(request: 11, with: Array(repeating: 23, count: 12))
        try loaders.publish(1...10)
        try loaders.start()
        let shown = { try loaders.run(["status"]).contains("problem: INCONSISTENT_GROUP_PROTOCOL: ") }
        #expect(loaders.wait { try shown() }, "\(loaders.logged())")
        try loaders.expectAll(10)
        let lines = loaders.logged().split(separator: "\n").filter { $0.contains("INCONSISTENT_GROUP_PROTOCOL") }
        #expect(lines.count == 2, "\(loaders.logged())")
        #expect(lines.first?.contains("partition.assignment.strategy") == true)
        #expect(lines.last?.contains("Kafka no longer reports the error") == true)
        #expect(loaders.wait { try !shown() }, "\(loaders.logged())")
    }

    /// A front before a mock cluster, with offsets that hold no message.
    private func phantomLoaders(_ phantoms: [Int32: KafkaPhantoms]) throws -> (LoaderRun, KafkaFront) {
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let front = try KafkaFront(kafka.bootstrapServers)
        front.phantoms = phantoms
        return (try LoaderRun(kafka: kafka, servers: front.servers), front)
    }

    private func nextOffsets(_ loaders: LoaderRun) throws -> [String?] {
        try loaders.query("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets' ORDER BY partition").map {
            $0[0]
        }
    }

    @Test("offsets without messages at the end of a partition, as of transactions, are settled, and are no holes")
    func lagBehindTransactions() throws {
        let (loaders, front) = try phantomLoaders([0: .init(at: 20, count: 7), 1: .init(at: 0, count: 3)])
        try loaders.publish(1...20, partition: 0)
        try loaders.start()
        try loaders.expectAll(20)
        #expect(loaders.wait { try nextOffsets(loaders) == ["27", "3"] }, "\(loaders.logged())")
        try loaders.publish(21...30, partition: 0)
        try loaders.publish(31...40, partition: 1)
        try loaders.expectAll(40)
        #expect(loaders.wait { try nextOffsets(loaders) == ["37", "13"] })
        #expect(loaders.end())
        // The remembered message lies before the offsets without messages.
        try loaders.start("second", isNewGroup: true)
        try loaders.publish(41...50)
        try loaders.expectAll(50)
        #expect(loaders.number("SELECT count(*) FROM kafka_holes") == 0)
        #expect(front.refused == 0)
    }

    @Test("a compacted topic is logged once, and what compaction deleted is recorded as a hole")
    func compacted() throws {
        let (loaders, front) = try phantomLoaders([0: .init(at: 20, count: 7)])
        front.topicSettings = ["cleanup.policy": "compact,delete", "max.message.bytes": "1000000"]
        try loaders.publish(1...20, partition: 0)
        try loaders.publish(21...30, partition: 0)
        try loaders.start()
        try loaders.expectAll(30)
        #expect(
            loaders.wait {
                try loaders.query(
                    "SELECT topic, partition, first_offset, end_offset, cause, messages, status FROM kafka_holes")
                    == [["tweets", "0", "20", "27", "compacted", "7", "open"]]
            }, "\(loaders.logged())")
        let warnings = loaders.logged().split(separator: "\n").filter { $0.contains("the topic is compacted") }
        #expect(warnings.count == 2, "one for each topic")
        #expect(warnings.first?.contains("cleanup.policy=delete") == true)
    }

    @Test("F73: foreign events with our headers on the topic of events do not stop the loader")
    func f73ForeignEventsWithOurHeadersDoNotStopTheLoader() throws {
        let loaders = try LoaderRun(partitions: 1)
        let time = #""at":"2026-11-20T08:00:00.000Z""#
        let members = [
            #""type":"disconnected",\#(time)"#, #""type":"repaired","seq":1,"lines":5.0,\#(time)"#,
            #""type":"repaired","seq":1,"lines":1e30,\#(time)"#, #""type":"repaired","seq":1.0,"lines":[],\#(time)"#,
            #""type":"repaired",\#(time)"#, #""type":"repaired","seq":-1,"lines":-5,\#(time)"#,
            #""type":"disconnected","last_received_at":"0000-01-01T00:00:00Z",\#(time)"#, #""type":7"#, "",
            #""type":"repair_failed","seq":9223372036854775807,"lines":9223372036854775807,\#(time)"#,
        ]
        for (index, member) in members.enumerated() {
            try loaders.publish(
                .init(
                    topic: "tweets.events", partition: 0, key: "test", value: #"{"pipeline_event":{\#(member)}}"#,
                    headers: LoaderRun.headers(Int64(index + 1))))
        }
        try loaders.start()
        let settled = "SELECT (SELECT count(*) FROM stream_events) + (SELECT count(*) FROM rejects)"
        #expect(loaders.wait { loaders.number(settled) == members.count }, "\(loaders.logged())")
        #expect(try loaders.query("SELECT repaired_posts FROM stream_gaps WHERE opened_seq = 1") == [["5"]])
        #expect(loaders.end())
    }
}

extension LoaderRun {
    /// The oldest offset that the broker has of the first partition of `tweets`.
    func oldestKept() throws -> Int64 {
        let consumer = try KafkaConsumer(
            KafkaConfiguration(bootstrapServers: servers), group: "look", topics: [], logger: .init(label: "look"))
        return try consumer.watermarks(TopicPartition("tweets", 0), timeout: .seconds(10)).low
    }
}
