import Synchronization

/// The families of one service, in the order of their declaration, and where their values are.
///
/// A family is declared by the call that makes its counters or gauges, so that nothing is declared twice. Counting looks no name up
/// and allocates nothing; reading all values holds no lock for long and asks nobody.
package final class MetricsRegistry: Sendable {
    private struct Entry: Sendable {
        let family: MetricFamily
        let read: @Sendable () -> [MetricSeries]
    }

    private let prefix: String
    private let entries = Mutex<[Entry]>([])

    /// - Parameter prefix: begins every name but those of the process, such as `tweet_loader`.
    package init(prefix: String) {
        self.prefix = prefix
    }

    /// What was declared.
    package var families: [MetricFamily] { entries.withLock { $0 }.map(\.family) }

    /// All values as they are now.
    ///
    /// - Parameter format: what the scraper asks for.
    /// - Returns: the exposition.
    package func text(_ format: MetricsFormat) -> String {
        var text = MetricsText(format)
        for entry in entries.withLock({ $0 }) { text.append(entry.family, entry.read()) }
        return text.finished
    }

    /// All values as they are now, series by series.
    package var readings: [MetricReading] {
        entries.withLock { $0 }.flatMap { entry in entry.read().map { MetricReading(entry.family, $0) } }
    }

    // MARK: Counters

    /// Declares a counter.
    ///
    /// - Parameters:
    ///   - name: without prefix and `_total`.
    ///   - help: a sentence.
    ///   - unit: the end of the name.
    ///   - counter: where the value is.
    /// - Returns: the counter.
    @discardableResult
    package func counter(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, _ counter: Counter = Counter()
    ) -> Counter {
        add(.counter, name, unit, help) { [MetricSeries(counter.value)] }
        return counter
    }

    /// Declares a counter for each value of a label.
    ///
    /// - Parameters:
    ///   - name: as of `counter`, and so for the next ones.
    ///   - help: a sentence.
    ///   - unit: the end of the name.
    ///   - label: its name.
    ///   - counters: where the values are.
    /// - Returns: the counters.
    @discardableResult
    package func counters<Label>(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, by label: String,
        _ counters: LabelledCounters<Label> = LabelledCounters()
    ) -> LabelledCounters<Label> {
        add(.counter, name, unit, help, labels: [label]) { counters.series }
        return counters
    }

    /// Declares a counter for each pair of values of two labels.
    package func counters<First, Second>(
        _ name: String, _ help: String, by labels: (String, String),
        _ counters: PairedCounters<First, Second> = PairedCounters()
    ) -> PairedCounters<First, Second> {
        add(.counter, name, nil, help, labels: [labels.0, labels.1]) { counters.series }
        return counters
    }

    /// Declares counters by a text that users choose.
    package func counters(_ name: String, _ help: String, by label: String, _ counters: TagCounters) {
        add(.counter, name, nil, help, labels: [label]) { counters.counts }
    }

    /// Declares counters that are read from memory when they are asked for.
    func counters(
        _ name: String, _ help: String, by label: String,
        read: @escaping @Sendable () -> [(label: String, value: Double)]
    ) {
        add(.counter, name, nil, help, labels: [label]) { read().map { MetricSeries([$0.label], $0.value) } }
    }

    // MARK: Gauges

    /// Declares a gauge.
    @discardableResult
    package func gauge(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, _ gauge: Gauge = Gauge()
    ) -> Gauge {
        add(.gauge, name, unit, help) { [MetricSeries(gauge.value)] }
        return gauge
    }

    /// Declares a gauge that is read from memory when it is asked for.
    package func gauge(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, read: @escaping @Sendable () -> Double
    ) {
        add(.gauge, name, unit, help) { [MetricSeries(read())] }
    }

    /// Declares a gauge for each value of a label.
    package func gauges<Label>(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, by label: String, _: Label.Type = Label.self
    ) -> LabelledGauges<Label> {
        let gauges = LabelledGauges<Label>()
        add(.gauge, name, unit, help, labels: [label]) { gauges.series }
        return gauges
    }

    /// Declares gauges with labels that are found at run time.
    package func gauges(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, by labels: [String]
    ) -> FoundGauges {
        let gauges = FoundGauges()
        add(.gauge, name, unit, help, labels: labels) { gauges.series }
        return gauges
    }

    /// Declares gauges whose labels and values are read from memory when they are asked for.
    package func gauges(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, by label: String,
        read: @escaping @Sendable () -> [(label: String, value: Double)]
    ) {
        add(.gauge, name, unit, help, labels: [label]) { read().map { MetricSeries([$0.label], $0.value) } }
    }

    /// Declares gauges with several labels that are read from memory when they are asked for.
    package func gauges(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, by labels: [String],
        read: @escaping @Sendable () -> [(labels: [String], value: Double)]
    ) {
        add(.gauge, name, unit, help, labels: labels) { read().map { MetricSeries($0.labels, $0.value) } }
    }

    /// Declares when each text that users choose was counted last.
    package func moments(_ name: String, _ help: String, by label: String, of counters: TagCounters) {
        add(.gauge, name, .seconds, help, labels: [label]) { counters.moments }
    }

    // MARK: Others

    /// Declares a histogram.
    ///
    /// - Parameters:
    ///   - name: without prefix.
    ///   - help: a sentence.
    ///   - unit: the end of the name.
    ///   - histogram: where the values are.
    /// - Returns: the histogram.
    @discardableResult
    package func histogram(
        _ name: String, _ help: String, unit: MetricFamily.Unit? = nil, _ histogram: Histogram
    ) -> Histogram {
        add(.histogram, name, unit, help, bounds: histogram.bounds) { [MetricSeries([], histogram.series)] }
        return histogram
    }

    /// Declares facts that do not change.
    package func info(_ name: String, _ help: String, _ facts: [(label: String, value: String)]) {
        add(.info, name, nil, help, labels: facts.map(\.label)) { [MetricSeries(facts.map(\.value), 1)] }
    }

    /// Declares a family of the ecosystem's own, whose name has no prefix.
    func process(
        _ kind: MetricFamily.Kind, _ name: String, unit: MetricFamily.Unit? = nil, _ help: String,
        read: @escaping @Sendable () -> Double
    ) {
        add(kind, "process_" + name, unit, help, isPrefixed: false) { [MetricSeries(read())] }
    }

    private func add(
        _ kind: MetricFamily.Kind, _ name: String, _ unit: MetricFamily.Unit?, _ help: String, labels: [String] = [],
        bounds: [Double] = [], isPrefixed: Bool = true, read: @escaping @Sendable () -> [MetricSeries]
    ) {
        let family = MetricFamily(
            name: isPrefixed ? "\(prefix)_\(name)" : name, kind: kind, unit: unit, help: help, labels: labels,
            bounds: bounds)
        entries.withLock { $0.append(Entry(family: family, read: read)) }
    }
}
