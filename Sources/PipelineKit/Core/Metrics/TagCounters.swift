import Synchronization

/// Counters by a text that users choose, such as a rule's tag: the first ones by name, all others as `_other`, and what has no
/// text as `_untagged`.
package final class TagCounters: Sendable {
    private struct Entry {
        var count: Int64 = 0
        var last: Timestamp?
    }

    private struct State {
        var entries: [String: Entry]
        /// In the order in which they were seen.
        var order: [String] = []
        /// Hashes of the texts that are summed as `_other`.
        var others: Set<Int> = []
    }

    private let limit: Int
    private let state: Mutex<State>

    /// The series that are there from the start.
    package static let other = "_other"
    package static let untagged = "_untagged"
    /// How much of a text is shown, in code points.
    private static let length = 64
    /// X has no more rules than this (`AccountPlan`): what is counted beyond is not distinguished.
    private static let mostOthers = 25_000

    /// - Parameter limit: how many texts get a series of their own.
    package init(limit: Int) {
        self.limit = limit
        state = Mutex(State(entries: [Self.other: Entry(), Self.untagged: Entry()]))
    }

    /// Adds to a text's count.
    ///
    /// - Parameters:
    ///   - number: how much.
    ///   - text: nil or empty for none.
    ///   - moment: when the last of it was.
    package func add(_ number: Int64, _ text: String?, at moment: Timestamp) {
        let name = String(String.UnicodeScalarView((text ?? "").unicodeScalars.prefix(Self.length)))
        state.withLock { state in
            let place = Self.place(name, limit, &state)
            var entry = state.entries[place] ?? Entry()
            entry.count += number
            entry.last = max(entry.last ?? moment, moment)
            state.entries[place] = entry
        }
    }

    /// The series that a text counts for.
    private static func place(_ name: String, _ limit: Int, _ state: inout State) -> String {
        if name.isEmpty { return untagged }
        // A user's own `_other` must not become a second series of that name.
        if name != other, name != untagged {
            if state.entries[name] != nil { return name }
            if state.order.count < limit {
                state.order.append(name)
                return name
            }
        }
        if state.others.count < mostOthers { state.others.insert(name.hashValue) }
        return other
    }

    /// How many texts were seen, with those that are summed as `_other`.
    package var distinct: Int { state.withLock { $0.order.count + $0.others.count } }

    var counts: [MetricSeries] { series { Double($0.count) } }

    /// Seconds since 1970; 0 for never.
    var moments: [MetricSeries] { series { $0.last.map { Double($0.milliseconds) / 1000 } ?? 0 } }

    private func series(_ value: (Entry) -> Double) -> [MetricSeries] {
        state.withLock { state in
            (state.order + [Self.untagged, Self.other]).map { MetricSeries([$0], value(state.entries[$0] ?? Entry())) }
        }
    }
}
