/// The rows of one table that a run of lines needs written, in the order of their keys.
struct RowFilter {
    /// The rows to write; no two states have the same key.
    private(set) var rows: [RelationRows.Row] = []
    /// States that are past already: a newer one of the same thing is in `rows`, or was stored before.
    private(set) var past: [RelationRows.Row] = []

    /// Everything that lines brought.
    init(_ rows: some Sequence<RelationRows.Row>) {
        self.rows = rows.sorted(by: Self.isBefore)
    }

    /// Of each thing the newest state, unless it is known to be stored; and the states that came between.
    ///
    /// - Parameters:
    ///   - states: what lines brought.
    ///   - known: what is stored of a thing; nil when nothing is known of it.
    init(states: some Sequence<RelationRows.Row>, known: (Int64) -> StatePartitions.State?) {
        let sorted = states.sorted(by: Self.isBefore)
        var start = 0
        while start < sorted.count {
            var end = start + 1
            while end < sorted.count, sorted[end].key == sorted[start].key { end += 1 }
            add(sorted[start..<end], known(sorted[start].key))
            start = end
        }
    }

    /// The states of one thing, in the order of time, where one is known to be stored.
    private mutating func add(_ states: ArraySlice<RelationRows.Row>, _ known: StatePartitions.State?) {
        var fingerprint = known?.fingerprint
        var newest: RelationRows.Row?
        for state in states where state.detail != fingerprint {
            if let known, state.seenAt < known.seenAt {
                past.append(state)
                continue
            }
            if let newest { past.append(newest) }
            newest = state
            fingerprint = state.detail
        }
        if let newest { rows.append(newest) }
    }

    private static func isBefore(_ left: RelationRows.Row, _ right: RelationRows.Row) -> Bool {
        if left.key != right.key { return left.key < right.key }
        return left.seenAt != right.seenAt ? left.seenAt < right.seenAt : left.detail < right.detail
    }
}

extension RelationRows {
    /// The rows of a table that a run of lines brought.
    func rows(_ relation: Relation, of messages: ClosedRange<Int>) -> ArraySlice<Row> {
        let rows = self[relation].rows
        return rows[rows.firstIndex(from: messages.lowerBound)..<rows.firstIndex(from: messages.upperBound + 1)]
    }
}

extension [RelationRows.Row] {
    /// The ids of tweets in their order, by partition.
    var idsByPartition: [(partition: TweetPartition, ids: [Int64])] {
        var parts: [(partition: TweetPartition, ids: [Int64])] = []
        for id in map(\.key).sorted() {
            if parts.last?.partition.contains(id) != true { parts.append((TweetPartition(containing: id), [])) }
            parts[parts.count - 1].ids.append(id)
        }
        return parts
    }

    /// The place of the first row of that line or a later one.
    fileprivate func firstIndex(from line: Int) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].line < line { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
