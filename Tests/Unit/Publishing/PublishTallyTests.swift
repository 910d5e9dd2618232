import Testing

@testable import Core
@testable import Journal
@testable import Publishing

/// What the publisher counts, without Kafka.
@Suite(.timeLimit(.minutes(5))) struct PublishTallyTests {
    private let registry = MetricsRegistry(prefix: "p")
    private let tags = TagCounters(limit: 10)
    private let counts: PublishCounts
    /// When the lines were received: an hour ago, so that the time of the test does not matter.
    private let received = Timestamp.now().advanced(by: .seconds(-3600))

    init() {
        counts = PublishCounts(tags: tags)
        registry.histogram("wait_seconds", "W.", counts.durations)
        registry.histogram("delay_seconds", "D.", counts.delays)
        registry.counters("posts", "P.", by: "tag", tags)
    }

    private func value(_ sample: String) -> String? {
        registry.text(.prometheus).split(separator: "\n").first { $0.hasPrefix(sample + " ") }
            .map { String($0.dropFirst(sample.count + 1)) }
    }

    private func note(
        _ seq: Int64, in tally: inout PublishTally, after: Duration = .zero, connection: Int64 = 7, post: Int64? = nil,
        rules: [Int64] = []
    ) {
        let line = unsafe JournalLine(
            seq: seq, bytes: UnsafeRawBufferPointer(start: nil, count: 0), receivedAt: received.advanced(by: after),
            connection: connection, isDamaged: false)
        tally.note(line, post: post, rules: rules)
    }

    @Test func eachLineIsCountedOnceWhenAllBeforeItAreAcknowledged() {
        var tally = PublishTally(counts)
        for seq in Int64(1)...10 { note(seq, in: &tally, after: .seconds(seq / 5)) }
        for (through, counted) in [(0, 0), (3, 3), (3, 3), (7, 7), (10, 10), (12, 10)] as [(Int64, Int)] {
            tally.flush(through: through, tags: [:])
            #expect(value("p_wait_seconds_count") == "\(counted)")
        }
        #expect(
            value(#"p_wait_seconds_bucket{le="1800"}"#) == "0" && value(#"p_wait_seconds_bucket{le="21600"}"#) == "10")
        // Lines that are handed over again count from their receipt, once.
        note(11, in: &tally)
        tally.restart()
        note(11, in: &tally)
        tally.flush(through: 11, tags: [:])
        #expect(value("p_wait_seconds_count") == "11")
    }

    @Test func numbersThatWereDroppedAreNoLines() {
        var tally = PublishTally(counts)
        note(1, in: &tally)
        note(1000, in: &tally)
        tally.flush(through: 1000, tags: [:])
        #expect(value("p_wait_seconds_count") == "2")
    }

    @Test func onlyPostsOfTheOpenConnectionHaveADelay() {
        counts.connection.set(Int64(7))
        var tally = PublishTally(counts)
        // Made 2.5 s before it was received (`Snowflake`).
        let post = (received.milliseconds - 2500 - 1_288_834_974_657) << 22
        note(1, in: &tally, post: post)
        note(2, in: &tally, connection: 6, post: post)
        note(3, in: &tally)
        note(4, in: &tally, post: 20)
        #expect(value("p_delay_seconds_count") == "0", "not before it is added up")
        tally.flush(through: 0, tags: [:])
        #expect(value("p_delay_seconds_count") == "1" && value("p_delay_seconds_sum") == "2.5")
    }

    @Test func postsAreCountedByTag() {
        var tally = PublishTally(counts)
        note(1, in: &tally, rules: [1, 2])
        note(2, in: &tally, rules: [2, 3])
        note(3, in: &tally, rules: [4])
        // After a failure of Kafka the same lines are handed over again.
        tally.restart()
        for seq in Int64(1)...3 { note(seq, in: &tally, rules: [1]) }
        for _ in 0..<2 { tally.flush(through: 0, tags: [1: "a", 2: "a", 3: "b", 4: ""]) }
        #expect(value(#"p_posts_total{tag="a"}"#) == "3" && value(#"p_posts_total{tag="b"}"#) == "1")
        #expect(value(#"p_posts_total{tag="_untagged"}"#) == "1")
    }
}
