/// Which numbers need no delivery any more: reports come in any order, `through` moves in order.
package struct AcknowledgedLines {
    /// Every number up to and with this one is settled, as of the last `settle`.
    package private(set) var through: Int64
    /// Settled numbers beyond it.
    private var beyond = RangeSet<Int64>()
    /// Numbers that were acknowledged since the last `settle`.
    private var fresh: [Int64] = []

    /// - Parameter through: the last number that was settled before.
    package init(through: Int64) {
        self.through = through
    }

    /// Takes note of one number, which counts from the next `settle` on: an insertion moves all ranges behind it, so that
    /// many numbers are inserted together. A number that was settled before changes nothing.
    package mutating func acknowledge(_ seq: Int64) { fresh.append(seq) }

    /// Passes over numbers that will never be acknowledged, because they are gone.
    package mutating func skip(_ seqs: ClosedRange<Int64>) {
        settle(with: [seqs.lowerBound..<(seqs.upperBound + 1)])
    }

    /// Counts what was acknowledged, and moves `through`.
    package mutating func settle() {
        guard !fresh.isEmpty else { return }
        fresh.sort()
        var ranges: [Range<Int64>] = []
        var run = fresh[0]..<(fresh[0] + 1)
        for seq in fresh where seq >= run.upperBound {
            if seq > run.upperBound {
                ranges.append(run)
                run = seq..<seq
            }
            run = run.lowerBound..<(seq + 1)
        }
        ranges.append(run)
        fresh.removeAll(keepingCapacity: true)
        settle(with: ranges)
    }

    private mutating func settle(with ranges: [Range<Int64>]) {
        beyond.formUnion(RangeSet(ranges))
        while let first = beyond.ranges.first, first.lowerBound <= through + 1 {
            through = max(through, first.upperBound - 1)
            beyond.remove(contentsOf: first)
        }
    }
}
