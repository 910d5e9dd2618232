/// One series of a metric at one moment, as `/status` has it.
package struct MetricReading: Codable, Equatable, Sendable {
    /// A bucket of a histogram.
    package struct Bucket: Codable, Equatable, Sendable {
        /// Its upper bound; nil for infinity.
        package var bound: Double?
        /// How many observations were at most that.
        package var count: Int64
    }

    /// The name of the samples, as queries use it; of a histogram the name that theirs begin with.
    package var name: String
    /// By the label's name.
    package var labels: [String: String]
    /// Nil for a histogram, and for what is no finite number.
    package var value: Double?
    /// The sum of all observations; of a histogram.
    package var sum: Double?
    /// Rising, the last one without a bound; of a histogram.
    package var buckets: [Bucket]?

    package init(name: String, labels: [String: String] = [:], value: Double?) {
        (self.name, self.labels, self.value) = (name, labels, value)
    }

    init(_ family: MetricFamily, _ series: MetricSeries) {
        let labels = Dictionary(zip(family.labels, series.labels)) { first, _ in first }
        switch series.value {
        case .number(let number):
            self.init(name: family.sampleName, labels: labels, value: number.isFinite ? number : nil)
        case .histogram(let atMost, let count, let sum):
            self.init(name: family.name, labels: labels, value: nil)
            self.sum = sum.isFinite ? sum : nil
            buckets = zip(family.bounds, atMost).map { Bucket(bound: $0, count: $1) }
            buckets?.append(Bucket(bound: nil, count: count))
        }
    }
}
