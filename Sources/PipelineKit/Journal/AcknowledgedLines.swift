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
        while !beyond.isEmpty, beyond.remove(through + 1) != nil { through += 1 }
    }
}
