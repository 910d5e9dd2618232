import Core
import KafkaClient
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Batches between Kafka and PostgreSQL", .ownThreads, .timeLimit(.minutes(4)))
struct BatchMailboxTests {
    private let first = TopicPartition("tweets", 0)
    private let second = TopicPartition("tweets", 1)
    private let stop = Stop()

    @Test("a partition that was taken and given again is started only where it was claimed since")
    func staleStart() {
        var assignment = Assignment()
        _ = assignment.apply([.assigned([first, second])])
        // The claim as of the first event comes when the first partition has been elsewhere.
        _ = assignment.apply([.revoked([first], isLost: false), .assigned([first])])
        let early = assignment.start([first: 10, second: 20], asOf: 1)
        #expect(early == [second: 20])
        let taken = [assignment.takes(first, 10), assignment.takes(second, 20)]
        #expect(taken == [false, true])
        #expect(assignment.isWaiting)
        let late = assignment.start([first: 15], asOf: 3)
        #expect(late == [first: 15])
        #expect(!assignment.isWaiting)
    }

    @Test("a message is taken once, and none from before the start")
    func onlyForward() {
        var assignment = Assignment()
        _ = assignment.apply([.assigned([first, second])])
        _ = assignment.start([first: 10, second: KafkaConsumer.earliest], asOf: 1)
        let messages: [(TopicPartition, Int64)] = [
            (first, 9), (first, 10), (second, 3), (first, 10), (first, 11), (second, 3),
        ]
        let taken = messages.map { assignment.takes($0, $1) }
        #expect(taken == [false, true, true, false, true, false])
        assignment.leave()
        let takesMore = assignment.takes(first, 12)
        #expect(!takesMore)
    }

    @Test("a batch that waits loses what the group takes, and all of it when the group is left")
    func waitingBatch() {
        let mailbox = BatchMailbox(stop: stop)
        var batch = TestLines.batch(TestLines.tweets(3), partition: first)
        let isGiven1 = mailbox.offer(&batch)
        #expect(!isGiven1, "nobody asks for it")
        _ = mailbox.take(until: .now)
        let isGiven2 = mailbox.offer(&batch)
        #expect(isGiven2)
        #expect(batch.isEmpty)
        mailbox.tell([.revoked([first], isLost: false)], gone: [first])
        var taken = TestLines.batch([])
        var news = mailbox.take(until: .now)
        news.takeBatch(&taken)
        #expect(news.events.count == 1)
        // A whole batch in a failure would be pages of bytes.
        let left = taken.count
        #expect(left == 0)

        batch = TestLines.batch(TestLines.tweets(3), partition: second)
        _ = mailbox.take(until: .now)
        let isGiven3 = mailbox.offer(&batch)
        #expect(isGiven3)
        mailbox.tellLeft()
        news = mailbox.take(until: .now)
        news.takeBatch(&taken)
        let rest = taken.count
        #expect(rest == 0)
    }

    @Test("between the wish to leave the group and its end no batch is given, and one wish is enough")
    func leaving() {
        let mailbox = BatchMailbox(stop: stop)
        _ = mailbox.take(until: .now)
        mailbox.leave("the test")
        mailbox.leave("the test again")
        #expect(mailbox.takeOrders()?.leave == "the test")
        var batch = TestLines.batch(TestLines.tweets(1), partition: first)
        let isGiven4 = mailbox.offer(&batch)
        #expect(!isGiven4)
        mailbox.tellLeft()
        // What the writer found before it heard of the end is no reason to leave once more.
        mailbox.leave("late")
        #expect(mailbox.takeOrders()?.leave == nil)
        let isGiven5 = mailbox.offer(&batch)
        #expect(isGiven5)
    }
}
