import Foundation
import Harness
import KafkaClient
import Sandbox
import TestSupport
import Testing

/// Offsets say the truth: about which log, and how far.
@Suite(.timeLimit(.minutes(4))) struct LogFaultTests {
    /// The same database in front of another broker with a topic of the same name.
    private func other(_ bench: LoaderBench, partitions: Int = 1) throws -> LoaderBench {
        let next = try LoaderBench(partitions: partitions)
        next.url = bench.url
        return next
    }

    @Test("a topic that was created again is noticed although its log is longer, and loaded whole by policy")
    func aLongerLog() throws {
        let bench = try LoaderBench(partitions: 1)
        try bench.publish(1...100)
        try bench.start()
        try bench.expectAll(100)
        #expect(bench.end())

        let next = try other(bench)
        try next.publish(1001...1250)
        try next.start()
        #expect(
            next.wait { next.logged().contains("a topic's messages are not those that were loaded") },
            "\(next.logged())")
        #expect(
            try bench.query("SELECT first_offset, end_offset, cause, passed_at FROM kafka_holes") == [
                ["100", nil, "replaced", nil]
            ])
        #expect(next.logged().contains("--on-hole continue"))
        #expect(next.end())
        #expect(bench.stored == 100, "the partition is stopped")

        try next.start("second", ["--on-hole", "continue"], isNewGroup: true)
        #expect(next.wait { bench.stored == 350 }, "\(next.logged("second"))")
        #expect(
            try bench.query("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets'") == [["250"]])
        #expect(next.end("second"))
        // It is the known log now.
        try next.publish(1251...1260)
        try next.start("third", isNewGroup: true)
        #expect(next.wait { bench.stored == 360 }, "\(next.logged("third"))")
        #expect(bench.number("SELECT count(*) FROM kafka_holes") == 1)
    }

    @Test("a topic that was created again is noticed when its log ends before the offset", arguments: [99, 100, 40])
    func aShorterLog(count: Int64) throws {
        let bench = try LoaderBench(partitions: 1)
        try bench.publish(1...100)
        try bench.start()
        try bench.expectAll(100)
        #expect(bench.end())

        let next = try other(bench)
        try next.publish(1001...1000 + count)
        try next.start("loader", ["--on-hole", "continue"])
        #expect(next.wait { bench.stored == 100 + count }, "\(next.logged())")
        #expect(try bench.query("SELECT cause FROM kafka_holes") == [["replaced"]])
    }

    @Test("a remembered message that retention has deleted is no hole")
    func anExpiredMark() throws {
        let bench = try LoaderBench(partitions: 1)
        let long = String(repeating: "x", count: 200_000)
        try bench.publish(1...100)
        try bench.start()
        try bench.expectAll(100)
        #expect(bench.end())
        // As if the partition had been idle until everything settled had expired.
        try bench.publish(101...160) { _ in long }
        let kept = try bench.oldestKept()
        try bench.query("UPDATE loader_offsets SET next_offset = \(kept), mark_offset = 50 WHERE topic = 'tweets'")
        try bench.start("second", isNewGroup: true)
        #expect(bench.wait { bench.stored == 100 + 160 - kept }, "\(bench.logged("second"))")
        #expect(bench.number("SELECT count(*) FROM kafka_holes") == 0)
    }

    @Test("a different assignment strategy of the group is in log and status with the remedy, until it ends")
    func groupProtocol() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 1, "tweets.events": 1])
        let bench = try LoaderBench(kafka: kafka, servers: kafka.bootstrapServers)
        // JoinGroup: inconsistent group protocol.
        kafka.fail(request: 11, with: Array(repeating: 23, count: 12))
        try bench.publish(1...10)
        try bench.start()
        let shown = { try bench.run(["status"]).contains("problem: INCONSISTENT_GROUP_PROTOCOL: ") }
        #expect(bench.wait { try shown() }, "\(bench.logged())")
        try bench.expectAll(10)
        let lines = bench.logged().split(separator: "\n").filter { $0.contains("INCONSISTENT_GROUP_PROTOCOL") }
        #expect(lines.count == 2, "\(bench.logged())")
        #expect(lines.first?.contains("partition.assignment.strategy") == true)
        #expect(lines.last?.contains("Kafka no longer reports the error") == true)
        #expect(bench.wait { try !shown() }, "\(bench.logged())")
    }

    /// A front before a mock cluster, with offsets that hold no message.
    private func phantomBench(_ phantoms: [Int32: KafkaPhantoms]) throws -> (LoaderBench, KafkaFront) {
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let front = try KafkaFront(kafka.bootstrapServers)
        front.phantoms = phantoms
        return (try LoaderBench(kafka: kafka, servers: front.servers), front)
    }

    private func nextOffsets(_ bench: LoaderBench) throws -> [String?] {
        try bench.query("SELECT next_offset FROM loader_offsets WHERE topic = 'tweets' ORDER BY partition").map {
            $0[0]
        }
    }

    @Test("offsets without messages at the end of a partition, as of transactions, are settled, and are no holes")
    func lagBehindTransactions() throws {
        let (bench, front) = try phantomBench([0: .init(at: 20, count: 7), 1: .init(at: 0, count: 3)])
        try bench.publish(1...20, partition: 0)
        try bench.start()
        try bench.expectAll(20)
        #expect(bench.wait { try nextOffsets(bench) == ["27", "3"] }, "\(bench.logged())")
        try bench.publish(21...30, partition: 0)
        try bench.publish(31...40, partition: 1)
        try bench.expectAll(40)
        #expect(bench.wait { try nextOffsets(bench) == ["37", "13"] })
        #expect(bench.end())
        // The remembered message lies before the offsets without messages.
        try bench.start("second", isNewGroup: true)
        try bench.publish(41...50)
        try bench.expectAll(50)
        #expect(bench.number("SELECT count(*) FROM kafka_holes") == 0)
        #expect(front.refused == 0)
    }

    @Test("a compacted topic is logged once, and what compaction deleted is recorded as a hole")
    func compacted() throws {
        let (bench, front) = try phantomBench([0: .init(at: 20, count: 7)])
        front.topicSettings = ["cleanup.policy": "compact,delete", "max.message.bytes": "1000000"]
        try bench.publish(1...20, partition: 0)
        try bench.publish(21...30, partition: 0)
        try bench.start()
        try bench.expectAll(30)
        #expect(
            bench.wait {
                try bench.query(
                    "SELECT topic, partition, first_offset, end_offset, cause, messages, status FROM kafka_holes")
                    == [["tweets", "0", "20", "27", "compacted", "7", "open"]]
            }, "\(bench.logged())")
        let warnings = bench.logged().split(separator: "\n").filter { $0.contains("the topic is compacted") }
        #expect(warnings.count == 2, "one for each topic")
        #expect(warnings.first?.contains("cleanup.policy=delete") == true)
    }

    @Test("F73: foreign events with our headers on the topic of events do not stop the loader")
    func f73ForeignEventsWithOurHeadersDoNotStopTheLoader() throws {
        let bench = try LoaderBench(partitions: 1)
        let time = #""at":"2026-11-20T08:00:00.000Z""#
        let members = [
            #""type":"disconnected",\#(time)"#, #""type":"repaired","seq":1,"lines":5.0,\#(time)"#,
            #""type":"repaired","seq":1,"lines":1e30,\#(time)"#, #""type":"repaired","seq":1.0,"lines":[],\#(time)"#,
            #""type":"repaired",\#(time)"#, #""type":"repaired","seq":-1,"lines":-5,\#(time)"#,
            #""type":"disconnected","last_received_at":"0000-01-01T00:00:00Z",\#(time)"#, #""type":7"#, "",
            #""type":"repair_failed","seq":9223372036854775807,"lines":9223372036854775807,\#(time)"#,
        ]
        for (index, member) in members.enumerated() {
            try bench.publish(
                .init(
                    topic: "tweets.events", partition: 0, key: "test", value: #"{"pipeline_event":{\#(member)}}"#,
                    headers: LoaderBench.headers(Int64(index + 1))))
        }
        try bench.start()
        let settled = "SELECT (SELECT count(*) FROM stream_events) + (SELECT count(*) FROM rejects)"
        #expect(bench.wait { bench.number(settled) == members.count }, "\(bench.logged())")
        #expect(try bench.query("SELECT repaired_posts FROM stream_gaps WHERE opened_seq = 1") == [["5"]])
        #expect(bench.end())
    }
}

extension LoaderBench {
    /// The oldest offset that the broker has of the first partition of `tweets`.
    func oldestKept() throws -> Int64 {
        let consumer = try KafkaConsumer(
            KafkaConfiguration(bootstrapServers: servers), group: "look", topics: [], logger: .init(label: "look"))
        return try consumer.watermarks(TopicPartition("tweets", 0), timeout: .seconds(10)).low
    }
}
