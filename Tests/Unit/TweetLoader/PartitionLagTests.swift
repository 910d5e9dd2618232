import Core
import KafkaClient
import Testing

@testable import TweetLoader

struct PartitionLagTests {
    private typealias Position = WriterStates.Position

    private static let partition = TopicPartition("tweets", 0)

    /// Of the one partition: messages that are not settled, and when the first of them was received; nil where it is not known.
    private func shown(_ lag: PartitionLag) -> [Double?] {
        let metrics = ConsumeMetrics(MetricsRegistry(prefix: "test"), WriterStates(ServiceHealth()))
        lag.show(in: metrics)
        return [metrics.lag.values.first?.value, metrics.oldest.values.first?.value]
    }

    private func positions(_ next: Int64?, _ received: Int64?) -> [TopicPartition: Position] {
        [Self.partition: Position(next: next, received: received.map { Timestamp(milliseconds: 1000 * $0) })]
    }

    @Test("what is settled between two looks at Kafka is not pending until the second")
    func onItsWay() {
        var lag = PartitionLag()
        lag.look(positions(10, 100), [Self.partition: (0, 13)]) { _ in [:] }
        #expect(shown(lag) == [3, 100])
        lag.note(positions(12, 105))
        #expect(shown(lag) == [1, 105])
        lag.note(positions(13, 106))
        #expect(shown(lag) == [0, 0] && lag.sum == 0)
        // What has come since is not known, and no lag is less than none.
        lag.note(positions(20, 107))
        #expect(shown(lag) == [0, 0])
        lag.note([:])
        #expect(shown(lag) == [0, 0])
    }

    @Test("where nothing was settled since the last look, the first message is read, once")
    func stuck() {
        var (lag, reads) = (PartitionLag(), 0)
        for _ in 1...3 {
            lag.look(positions(10, 100), [Self.partition: (0, 13)]) { offsets in
                if offsets == [Self.partition: 10] { reads += 1 }
                return offsets.mapValues { KafkaEnds.First(offset: $0, at: Timestamp(milliseconds: 70_000)) }
            }
            lag.note(positions(10, 100))
        }
        #expect(reads == 1)
        #expect(shown(lag) == [3, 70])
    }

    @Test("offsets without messages are no lag, and what Kafka does not answer is not known")
    func transactions() {
        var lag = PartitionLag()
        lag.look(positions(nil, nil), [Self.partition: (0, 13)]) { _ in [:] }
        #expect(shown(lag) == [13, nil])
        lag.look(positions(nil, nil), [Self.partition: (0, 13)]) { offsets in
            offsets.mapValues { _ in KafkaEnds.First(offset: 13, at: nil) }
        }
        #expect(shown(lag) == [0, 0])
        lag.look(positions(5, nil), [:]) { _ in [:] }
        #expect(shown(lag) == [nil, nil])
    }
}
