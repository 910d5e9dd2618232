import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Lines that Kafka had rejected", .ownThreads, .timeLimit(.minutes(5)))
struct ReplayedRejectTests {
    @Test("a replayed line becomes a row though its number is settled as a reject")
    func replayed() throws {
        let database = try TestDatabase()
        let loader = try Loader.claiming(database.url)
        var event = PipelineEvent(.rejected, cause: "MSG_SIZE_TOO_LARGE")
        event.seq = 2
        let tweets = TestLines.tweets(3).compactMap { $0 }
        var batch = Batch()
        var decoder = TweetDecoder()
        func add(_ seq: Int64, _ line: [UInt8], at offset: Int64) {
            let record = RecordInfo(
                headers: TestLines.headers(seq), topicPartition: TestLines.partition, offset: offset)
            batch.add(record, key: nil, value: line, decoder: &decoder, payload: .jsonb)
        }
        add(1, Array(tweets[0].utf8), at: 0)
        add(2, event.line, at: 1)
        add(3, Array(tweets[2].utf8), at: 2)
        try loader.settle(batch)
        #expect(try database.query("SELECT seq, reason FROM rejects") == [["2", "refused_by_kafka"]])
        // A loader that starts later passes over what is settled, but not over this.
        var settled = try SettledLines(database.connect())
        var passed: [Bool] = []
        for seq in 1...3 { passed.append(settled.contains(TestLines.headers(Int64(seq)))) }
        #expect(passed == [true, false, true])
        batch = Batch()
        add(2, Array(tweets[1].utf8), at: 3)
        try loader.settle(batch)
        #expect(try database.query("SELECT count(*) FROM tweets") == [["3"]])
    }
}
