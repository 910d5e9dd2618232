import Testing

@testable import Publishing

/// What delivery counts of acknowledgements, without Kafka.
@Suite(.timeLimit(.minutes(5))) struct DeliveryTallyTests {
    private let counts = PublishCounts()

    private var found: [Double] {
        PublishTopic.allCases.flatMap { [counts.acknowledged[$0].value, counts.acknowledgedBytes[$0].value] }
    }

    @Test func linesAndBytesGoToTheTopicOfTheirRecord() {
        var tally = DeliveryTally()
        tally.noteEvent(2, bytes: 30)
        tally.bytes += 100 + 30 + 7
        for id in Int64(1)...3 { tally.accept(id) }
        #expect(found == [0, 0, 0, 0], "not before it is added up")
        let isNew = tally.add(to: counts)
        #expect(isNew && found == [2, 107, 1, 30])
        let isNewAgain = tally.add(to: counts)
        #expect(!isNewAgain && found == [2, 107, 1, 30], "once")
    }

    @Test func aRejectEventCountsInPlaceOfItsRecord() {
        var tally = DeliveryTally()
        tally.noteEvent(2, bytes: 5000)
        tally.noteEvent(2, bytes: 80)
        tally.bytes += 80
        tally.accept(2)
        _ = tally.add(to: counts)
        #expect(found == [0, 0, 1, 80])
    }

    @Test func recordsThatAreHandedOverAgainAreNotWhatTheyWere() {
        var tally = DeliveryTally()
        tally.noteEvent(2, bytes: 30)
        tally.restart()
        tally.bytes += 9
        tally.accept(2)
        _ = tally.add(to: counts)
        #expect(found == [1, 9, 0, 0])
    }
}
