/// Which of the published lines Kafka has acknowledged: reports come out of order, the checkpoint moves in order.
package struct AcknowledgedLines {
    /// Every line up to and with this number is acknowledged.
    package private(set) var through: Int64
    private var beyond: Set<Int64> = []

    package init(through: Int64) {
        self.through = through
    }

    /// Takes note of one line; a line that was acknowledged before changes nothing.
    package mutating func acknowledge(_ seq: Int64) {
        guard seq > through else { return }
        guard seq == through + 1 else {
            beyond.insert(seq)
            return
        }
        through = seq
        advance()
    }

    /// Passes over lines that will never be acknowledged, because they are gone.
    package mutating func skip(_ seqs: ClosedRange<Int64>) {
        guard seqs.upperBound > through else { return }
        guard seqs.lowerBound <= through + 1 else {
            beyond.formUnion(seqs)
            return
        }
        through = seqs.upperBound
        beyond = beyond.filter { $0 > through }
        advance()
    }

    private mutating func advance() {
        while !beyond.isEmpty, beyond.remove(through + 1) != nil { through += 1 }
    }
}
