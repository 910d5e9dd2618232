/// A counter as it was seen over the last minute, and how fast it rises.
struct RateSeries: Sendable {
    /// The counter at a moment.
    private struct Sample {
        /// Milliseconds since 1970.
        let at: Int64
        let count: Double
    }

    /// In the order of time, all of one run of the service.
    private var samples: [Sample] = []

    /// What is kept: a little more than a minute, and never less than two samples.
    private static let kept: Int64 = 65_000

    /// Adds what was seen. A counter that fell belongs to a service that was started again: what was before does not count.
    ///
    /// - Parameters:
    ///   - count: the counter.
    ///   - at: when it was read, in milliseconds since 1970; what is not newer than the last one is not added.
    mutating func add(_ count: Double, at: Int64) {
        guard at > samples.last?.at ?? .min else { return }
        if let last = samples.last, count < last.count { samples = [] }
        samples.append(Sample(at: at, count: count))
        while samples.count > 2, samples[1].at < at - Self.kept { samples.removeFirst() }
    }

    /// How much it rises a second.
    ///
    /// - Parameters:
    ///   - window: the time to look at, in milliseconds; samples that are further apart stretch it.
    ///   - now: the time, in milliseconds since 1970.
    /// - Returns: nil when it is not known: there are less than two samples, or they are old.
    func perSecond(over window: Int64, at now: Int64) -> Double? {
        guard let last = samples.last, now - last.at <= patience else { return nil }
        let first = samples.last { $0.at <= last.at - window } ?? samples.first
        guard let first, first.at < last.at else { return nil }
        return (last.count - first.count) * 1000 / Double(last.at - first.at)
    }

    /// How much it rose a second in each of some parts of the time up to now.
    ///
    /// - Parameters:
    ///   - parts: how many.
    ///   - window: all of them together, in milliseconds.
    ///   - now: the time, in milliseconds since 1970.
    /// - Returns: the oldest part first; nil for what is not known.
    func parts(_ parts: Int, over window: Int64, at now: Int64) -> [Double?] {
        guard parts > 0 else { return [] }
        // The last sample may be a little old: the parts end with it, while it is new enough.
        let end = samples.last.map { now - $0.at <= patience ? $0.at : now } ?? now
        let length = Double(window) / Double(parts)
        return (0..<parts).map { part in
            let from = Double(end - window) + Double(part) * length
            guard let before = count(at: from), let after = count(at: from + length) else { return nil }
            return (after - before) * 1000 / length
        }
    }

    /// For how long the last sample counts: samples come late when the machine is busy.
    private var patience: Int64 {
        let spacing = samples.count < 2 ? 0 : samples[samples.count - 1].at - samples[samples.count - 2].at
        return max(5000, 3 * spacing)
    }

    /// The counter at a moment between samples, as if it rose evenly; nil outside of them.
    private func count(at moment: Double) -> Double? {
        guard let first = samples.first, let last = samples.last, moment >= Double(first.at), moment <= Double(last.at)
        else { return nil }
        let next = samples.firstIndex { Double($0.at) >= moment } ?? 0
        guard next > 0, Double(samples[next].at) > moment else { return samples[next].count }
        let (before, after) = (samples[next - 1], samples[next])
        let share = (moment - Double(before.at)) / Double(after.at - before.at)
        return before.count + share * (after.count - before.count)
    }
}

/// The rates of many counters, by name.
struct RateBook: Sendable {
    private var series: [String: RateSeries] = [:]
    /// When each was last added to.
    private var touched: [String: Int64] = [:]

    /// Adds what was seen of a counter.
    ///
    /// - Parameters:
    ///   - name: of the counter, its source included.
    ///   - count: the counter; nil when it is not known, which adds nothing.
    ///   - at: milliseconds since 1970.
    mutating func add(_ name: String, _ count: Double?, at: Int64) {
        guard let count else { return }
        series[name, default: RateSeries()].add(count, at: at)
        touched[name] = at
    }

    /// Forgets what was not seen for ten minutes.
    mutating func forget(at now: Int64) {
        for (name, at) in touched where at < now - 600_000 { (series[name], touched[name]) = (nil, nil) }
    }

    subscript(_ name: String) -> RateSeries { series[name] ?? RateSeries() }
}

/// A line of blocks.
enum Sparkline {
    private static let blocks = Array("▁▂▃▄▅▆▇█")

    /// - Parameter values: nil for what is not known, which becomes a space.
    /// - Returns: one character for each: the lowest block for 0, and only for it; the highest one for the greatest.
    static func text(_ values: [Double?]) -> String {
        let most = values.compactMap { $0 }.filter(\.isFinite).max() ?? 0
        return String(
            values.map { value in
                guard let value, value.isFinite else { return " " }
                guard value > 0, most > 0 else { return blocks[0] }
                return blocks[min(blocks.count - 1, 1 + Int(value / most * Double(blocks.count - 1)))]
            })
    }

    /// The sum of several series, part by part; nil where none is known.
    static func sum(_ series: [[Double?]]) -> [Double?] {
        guard let first = series.first else { return [] }
        return first.indices.map { index in
            let known = series.compactMap { $0[index] }
            return known.isEmpty ? nil : known.reduce(0, +)
        }
    }
}
