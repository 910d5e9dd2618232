/// What a service counts or measures: one name, with all its series.
package struct MetricFamily: Sendable {
    /// What its samples mean.
    package enum Kind: String, Sendable {
        /// Only rises while the process lives.
        case counter
        /// Goes up and down.
        case gauge
        /// Counts observations by size.
        case histogram
        /// Always 1: its labels are what it says.
        case info
    }

    /// Base units; the name of a family ends with its unit.
    package enum Unit: String, Sendable {
        case seconds, bytes, dollars
    }

    /// Without the suffix that its kind adds (`_total`, `_info`).
    package let name: String
    package let kind: Kind
    /// Nil for plain numbers.
    package let unit: Unit?
    /// A sentence.
    package let help: String
    /// Names of the labels, in the order of their values.
    package let labels: [String]
    /// Upper bounds of a histogram's buckets, rising, without infinity.
    package let bounds: [Double]

    /// The name of its samples, which for a histogram is what their names begin with.
    package var sampleName: String { name + ([.counter: "_total", .info: "_info"][kind] ?? "") }

    /// The names of all its samples, as queries use them.
    package var sampleNames: [String] {
        kind == .histogram ? ["_bucket", "_sum", "_count"].map { name + $0 } : [sampleName]
    }
}

/// One series of a family.
struct MetricSeries: Sendable {
    enum Value: Sendable {
        case number(Double)
        /// How many observations were at most each bound, all of them, and their sum.
        case histogram(atMost: [Int64], count: Int64, sum: Double)
    }

    /// In the order of the family's labels.
    let labels: [String]
    let value: Value

    init(_ labels: [String], _ value: Value) {
        (self.labels, self.value) = (labels, value)
    }

    init(_ labels: [String], _ number: Double) {
        self.init(labels, .number(number))
    }

    /// Of a family without labels.
    init(_ number: Double) {
        self.init([], .number(number))
    }
}
