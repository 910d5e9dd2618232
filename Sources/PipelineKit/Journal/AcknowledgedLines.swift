/// Which of the published lines Kafka has acknowledged: reports come out of order, the checkpoint moves in order.
package struct AcknowledgedLines {
    /// Every line up to and with this number is acknowledged.
    package private(set) var through: Int64
    /// A bit for each line from `origin` on, set when it is acknowledged.
    private var words: [UInt64] = []
    /// A multiple of 64; the line of the first bit.
    private var origin: Int64
    /// Lines beyond `through` that will never be acknowledged, in their order.
    private var skipped: [ClosedRange<Int64>] = []

    package init(through: Int64) {
        self.through = through
        origin = (through + 1) & ~63
    }

    /// Takes note of one line; a line that was acknowledged before changes nothing.
    package mutating func acknowledge(_ seq: Int64) {
        guard seq > through else { return }
        let place = Int((seq - origin) >> 6)
        while words.count <= place { words.append(0) }
        words[place] |= 1 << UInt64(seq & 63)
        if seq == through + 1 { advance() }
    }

    /// Passes over lines that will never be acknowledged, because they are gone.
    package mutating func skip(_ seqs: ClosedRange<Int64>) {
        guard seqs.upperBound > through else { return }
        skipped.append(seqs)
        skipped.sort { $0.lowerBound < $1.lowerBound }
        advance()
    }

    private mutating func advance() {
        while passAcknowledged() || passSkipped() {}
        // Words that lie behind are dropped many at a time, because what follows has to move.
        let behind = min(Int((through + 1 - origin) >> 6), words.count)
        guard behind == words.count || behind >= 1024 else { return }
        words.removeFirst(behind)
        origin = words.isEmpty ? (through + 1) & ~63 : origin + Int64(behind) * 64
    }

    /// Moves over the next word's acknowledged lines; false when there are none.
    private mutating func passAcknowledged() -> Bool {
        let place = Int((through + 1 - origin) >> 6)
        guard place < words.count else { return false }
        let ahead = words[place] >> UInt64((through + 1) & 63)
        let count = (~ahead).trailingZeroBitCount
        through += Int64(count)
        return count > 0
    }

    private mutating func passSkipped() -> Bool {
        guard let first = skipped.first, first.lowerBound <= through + 1 else { return false }
        through = max(through, first.upperBound)
        skipped.removeFirst()
        return true
    }
}
