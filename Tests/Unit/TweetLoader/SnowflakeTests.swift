import Core
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Snowflake and partition", .timeLimit(.minutes(5)))
struct SnowflakeTests {
    @Test(
        "an id tells when it was made",
        arguments: [
            (20, nil), (29_700_859_247, nil), (29_700_859_248, "2010-11-04T01:43:01.738Z"),
            (1_490_448_039_991_025_664, "2022-02-06T22:11:18.576Z"), (.max, "2080-07-10T17:30:30.208Z"),
        ] as [(Int64, String?)])
    func time(id: Int64, time: String?) {
        #expect(Snowflake.timestamp(of: id)?.description == time)
    }

    @Test("the first id of a moment is the lowest that tells it")
    func firstID() throws {
        var random = SplitMix64(seed: 1)
        for _ in 0..<10_000 {
            let id = Int64.random(in: 29_700_859_248...Int64.max, using: &random)
            let moment = try #require(Snowflake.timestamp(of: id))
            let first = try #require(Snowflake.firstID(at: moment))
            #expect(first <= id && Snowflake.timestamp(of: first) == moment)
            #expect(Snowflake.timestamp(of: first - 1) ?? Timestamp(milliseconds: 0) < moment)
        }
        #expect(Snowflake.firstID(at: Timestamp(milliseconds: .min)) == 29_700_859_248)
        #expect(Snowflake.firstID(at: Timestamp(milliseconds: .max)) == nil)
    }

    @Test(
        "an id has its month's partition",
        arguments: [
            (0, "tweets_oldest"), (29_700_859_247, "tweets_oldest"), (29_700_859_248, "tweets_y2010m11"),
            (1_490_448_039_991_025_664, "tweets_y2022m02"), (.max, "tweets_y2080m07"),
        ] as [(Int64, String)])
    func partition(id: Int64, name: String) {
        let partition = TweetPartition(containing: id)
        #expect(partition.name == name)
        #expect(partition.contains(id))
    }

    @Test("the partitions follow each other without a hole, from the oldest to the last")
    func chain() {
        var partition = TweetPartition(containing: 0)
        var names: Set = [partition.name]
        #expect(partition.lowerID == nil)
        while let next = partition.next {
            #expect(next.lowerID == partition.upperID)
            #expect(!partition.contains(next.lowerID ?? 0) && next.contains(next.lowerID ?? 0))
            partition = next
            names.insert(partition.name)
        }
        #expect(partition.name == "tweets_y2080m07")
        #expect(names.count == 1 + 2 + 12 * 69 + 7)
    }

    @Test("a month begins with its first millisecond")
    func monthBounds() throws {
        let november = TweetPartition(at: try #require(Timestamp("2026-11-20T12:00:00Z")))
        #expect(november.name == "tweets_y2026m11")
        #expect(november.lowerID == Snowflake.firstID(at: try #require(Timestamp("2026-11-01T00:00:00Z"))))
        #expect(november.upperID == Snowflake.firstID(at: try #require(Timestamp("2026-12-01T00:00:00Z"))))
        #expect(november.createSQL.contains("FOR VALUES FROM (2116681624581046272) TO (2127553260549046272)"))
        #expect(november.createSQL.contains(".tweets_y2026m11 (LIKE tweets "))
        #expect(november.condition(on: "t.id") == "t.id >= 2116681624581046272 AND t.id < 2127553260549046272")
        #expect(TweetPartition(containing: 0).condition(on: "id") == "id < 29700859248")
        #expect(TweetPartition(containing: .max).condition(on: "id").hasPrefix("id >= "))
    }
}
