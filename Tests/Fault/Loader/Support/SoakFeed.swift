import Core
import Sandbox
import Synchronization
import TweetFormat

@testable import TweetProducer

/// Publishes numbered lines by a schedule, on a thread of its own.
///
/// It waits when the loaders are far behind, and makes up for it afterwards.
final class SoakFeed: Sendable {
    private struct State {
        var published = 0
        var garbage = 0
        var records = 0
        var settled = 0
    }

    /// The id of tweet n is this plus n: of this month.
    let firstID: Int64
    private let publisher: Publisher
    private let partitions: Int
    private let rate: Int
    private let mostWaiting: Int
    private let state = Mutex(State())
    private let stopped = Stop()
    private let thread = Mutex<JoinableThread?>(nil)

    /// Every so many lines one is no tweet, and one comes twice.
    static let garbageEvery = 1000
    private static let repeatEvery = 300
    /// So many lines in a row go to one partition, so that batches are large although partitions are many.
    private static let run = 64
    /// More than a record takes in the broker, compressed as the producer does: 100 bytes were measured.
    static let recordBytes = 250

    /// Sendable: only the feed's thread uses it, from `start` until `stop` has joined it.
    private struct Publisher: @unchecked Sendable {
        let kafka: KafkaPublisher
    }

    /// `mostWaiting`: how many records may be unsettled.
    init(_ kafka: KafkaPublisher, partitions: Int, rate: Int, mostWaiting: Int) {
        self.partitions = partitions
        publisher = Publisher(kafka: kafka)
        self.rate = rate
        self.mostWaiting = mostWaiting
        firstID = Snowflake.firstID(at: .now()) ?? 1
    }

    var published: Int { state.withLock { $0.published } }
    var garbage: Int { state.withLock { $0.garbage } }
    var records: Int { state.withLock { $0.records } }

    /// How many records are not settled, as far as is known.
    var waiting: Int { state.withLock { $0.records - $0.settled } }

    /// How many records the loaders have settled.
    func settled(_ count: Int) { state.withLock { $0.settled = max($0.settled, count) } }

    /// Begins.
    func start() throws {
        thread.withLock { $0 = JoinableThread(name: "feed") { self.work() } }
    }

    /// Ends, and waits until the broker has everything.
    func stop() {
        stopped.raise()
        let thread = thread.withLock { $0.take() }
        if let thread { thread.join() }
    }

    func end() { stop() }

    private func work() {
        let began = ContinuousClock.now
        while !stopped.isRaised {
            let due = Int((ContinuousClock.now - began) / .seconds(1) * Double(rate))
            // What is late comes faster, but not in one burst.
            if waiting < mostWaiting { for _ in 0..<min(due - published, rate / 10) { publishNext() } }
            stopped.wait(for: .milliseconds(20))
        }
        try? publisher.kafka.flush(timeout: .seconds(60))
    }

    private func publishNext() {
        let number = state.withLock { state in
            state.published += 1
            return state.published
        }
        let isGarbage = number.isMultiple(of: Self.garbageEvery)
        let times = number % Self.repeatEvery == 1 ? 2 : 1
        for _ in 0..<times { try? publisher.kafka.enqueue(record(number, isGarbage: isGarbage)) }
        state.withLock { state in
            state.records += times
            if isGarbage { state.garbage += 1 }
        }
    }

    private func record(_ number: Int, isGarbage: Bool) -> KafkaPublisher.Record {
        let id = firstID + Int64(number)
        let line = """
            {"data":{"id":"\(id)","text":"tweet \(number) of a soak, with a #hashtag and a link https://t.co/abcdefghij",\
            "author_id":"\(1000 + number % 5000)","created_at":"2026-11-20T08:00:00.000Z","lang":"en",\
            "conversation_id":"\(id)","edit_history_tweet_ids":["\(id)"],"possibly_sensitive":false,\
            "reply_settings":"everyone","public_metrics":{"retweet_count":0,"reply_count":0,"like_count":0,"quote_count":0}},\
            "matching_rules":[{"id":"1","tag":"soak"}]}
            """
        return .init(
            topic: "soak", partition: Int32(number / Self.run % partitions), key: "\(id)",
            value: isGarbage ? "garbage \(number)" : line, headers: LoaderRun.headers(Int64(number)))
    }
}
