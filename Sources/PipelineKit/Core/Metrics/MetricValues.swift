import Synchronization

/// A number that only rises.
package final class Counter: Sendable {
    private let count = Atomic<Int64>(0)
    private let perUnit: Int64

    /// - Parameter perUnit: how many make one of the family's unit, such as 1000 for milliseconds of a family in seconds.
    package init(perUnit: Int64 = 1) {
        self.perUnit = perUnit
    }

    /// Adds to it; once for a batch or a chunk, not for each line. Less than nothing is not added.
    package func add(_ number: Int64 = 1) {
        if number > 0 { count.add(number, ordering: .relaxed) }
    }

    /// Adds to it.
    package func add(_ number: Int) { add(Int64(number)) }

    /// The sum so far, in the family's unit.
    package var value: Double { Double(count.load(ordering: .relaxed)) / Double(perUnit) }
}

/// A number that goes up and down; 0 at first.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)

    package init() {}

    /// Replaces it.
    package func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    /// Replaces it.
    package func set(_ value: Int64) { set(Double(value)) }

    /// Replaces it with a moment, in seconds since 1970; 0 for nil: there is none.
    package func set(_ moment: Timestamp?) {
        set(moment.map { Double($0.milliseconds) / 1000 } ?? 0)
    }

    /// Replaces it with 1 or 0.
    package func set(_ value: Bool) {
        set(value ? 1.0 : 0.0)
    }

    /// What it was set to.
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    /// The moment that it was set to; nil for 0: there is none.
    package var moment: Timestamp? { value > 0 ? Timestamp(milliseconds: Int64((value * 1000).rounded())) : nil }
}

/// Something that is known only later, such as what a gauge is read from.
package final class Late<Value: Sendable>: Sendable {
    private let content = Mutex<Value?>(nil)

    package init() {}

    /// Nil before it was set.
    package var value: Value? {
        get { content.withLock { $0 } }
        set { content.withLock { $0 = newValue } }
    }
}

/// Counters of one family, one for each value of a label that the program knows beforehand.
package struct LabelledCounters<Label: MetricLabel>: Sendable {
    private let counters: [Label: Counter]

    /// - Parameter perUnit: as of `Counter`.
    package init(perUnit: Int64 = 1) {
        counters = Dictionary(uniqueKeysWithValues: Label.allCases.map { ($0, Counter(perUnit: perUnit)) })
    }

    /// The counter of a value.
    package subscript(label: Label) -> Counter {
        // Every case has one.
        counters[label] ?? Counter()
    }

    var series: [MetricSeries] { Label.allCases.map { MetricSeries([$0.rawValue], self[$0].value) } }
}

/// Gauges of one family, one for each value of a label that the program knows beforehand.
package struct LabelledGauges<Label: MetricLabel>: Sendable {
    private let gauges = Dictionary(uniqueKeysWithValues: Label.allCases.map { ($0, Gauge()) })

    package init() {}

    /// The gauge of a value.
    package subscript(label: Label) -> Gauge {
        // Every case has one.
        gauges[label] ?? Gauge()
    }

    var series: [MetricSeries] { Label.allCases.map { MetricSeries([$0.rawValue], self[$0].value) } }
}

/// The values of a label that the program knows beforehand.
package protocol MetricLabel: Hashable, CaseIterable, RawRepresentable<String>, Sendable {}

/// Counters of one family by two labels.
package struct PairedCounters<First: MetricLabel, Second: MetricLabel>: Sendable {
    private let rows = Dictionary(uniqueKeysWithValues: First.allCases.map { ($0, LabelledCounters<Second>()) })

    package init() {}

    /// The counter of two values.
    package subscript(first: First, second: Second) -> Counter {
        // Every case has one.
        rows[first]?[second] ?? Counter()
    }

    var series: [MetricSeries] {
        First.allCases.flatMap { first in
            Second.allCases.map { MetricSeries([first.rawValue, $0.rawValue], self[first, $0].value) }
        }
    }
}

/// Series whose labels are found at run time, such as partitions; all of them are replaced at once.
package final class FoundGauges: Sendable {
    private let found = Mutex<[(labels: [String], value: Double)]>([])

    package init() {}

    /// The series as they were set.
    package var values: [(labels: [String], value: Double)] { found.withLock { $0 } }

    /// Replaces all series.
    ///
    /// - Parameter values: the labels of each, in the order of the family's, and its value; no labels twice.
    package func set(_ values: [(labels: [String], value: Double)]) {
        found.withLock { $0 = values }
    }

    var series: [MetricSeries] { values.map { MetricSeries($0.labels, $0.value) } }
}
