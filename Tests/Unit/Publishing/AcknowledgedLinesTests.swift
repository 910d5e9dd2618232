import Testing

@testable import Publishing

@Suite(.timeLimit(.minutes(5))) struct AcknowledgedLinesTests {
    @Test func acknowledgedLinesMoveInOrder() {
        var lines = AcknowledgedLines(through: 3)
        lines.acknowledge(6)
        lines.acknowledge(5)
        lines.settle()
        #expect(lines.through == 3)
        lines.acknowledge(4)
        lines.settle()
        #expect(lines.through == 6)
        lines.acknowledge(2)
        lines.settle()
        #expect(lines.through == 6)
    }

    @Test func acknowledgementsInAnyOrderMoveTheCheckpoint() {
        var random = SystemRandomNumberGenerator()
        for start in [0, 1, 62, 63, 64, 1000] as [Int64] {
            var lines = AcknowledgedLines(through: start)
            var (reports, open) = (Array((start + 1)...(start + 5000)), Set((start + 1)...(start + 5000)))
            // As reports come: some hundreds of lines are under way.
            for place in reports.indices {
                reports.swapAt(place, min(place + Int.random(in: 0..<300, using: &random), 4999))
            }
            for (count, seq) in reports.enumerated() {
                lines.acknowledge(seq)
                open.remove(seq)
                guard count % 97 == 0 || open.isEmpty else { continue }
                lines.settle()
                #expect(lines.through == (open.min() ?? start + 5001) - 1)
            }
        }
    }

    @Test func linesThatAreGoneArePassedOver() {
        var lines = AcknowledgedLines(through: 10)
        lines.skip(1_000...2_000_000_000)
        lines.skip(20...30)
        lines.skip(5...8)
        lines.settle()
        #expect(lines.through == 10)
        for seq in 11...19 as ClosedRange<Int64> { lines.acknowledge(seq) }
        lines.settle()
        #expect(lines.through == 30)
        for seq in 31...999 as ClosedRange<Int64> { lines.acknowledge(seq) }
        lines.settle()
        #expect(lines.through == 2_000_000_000)
        lines.acknowledge(2_000_000_001)
        lines.settle()
        #expect(lines.through == 2_000_000_001)
    }

    @Test func acknowledgedLinesPassOverWhatIsGone() {
        var lines = AcknowledgedLines(through: 3)
        lines.acknowledge(11)
        lines.skip(6...8)
        lines.settle()
        #expect(lines.through == 3)
        lines.skip(2...5)
        lines.settle()
        #expect(lines.through == 8)
        lines.skip(9...10)
        lines.settle()
        #expect(lines.through == 11)
        lines.skip(1...9)
        lines.settle()
        #expect(lines.through == 11)
    }
}
