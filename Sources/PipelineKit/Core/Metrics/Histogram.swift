import Synchronization

/// Observations, counted by size.
package final class Histogram: Sendable {
    private struct State {
        /// By the first bound that is not exceeded; the last beyond all bounds.
        var counts: [Int64]
        var sum = 0.0
    }

    let bounds: [Double]
    private let state: Mutex<State>

    /// - Parameter bounds: upper bounds of the buckets, rising, without infinity.
    package init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    /// Counts observations of one size.
    ///
    /// - Parameters:
    ///   - value: the size; less than nothing, as of clocks that differ, counts as nothing, since a sum only rises.
    ///   - count: how many.
    package func observe(_ value: Double, count: Int64 = 1) {
        let value = max(0, value)
        let place = place(of: value)
        state.withLock { state in
            state.counts[place] += count
            state.sum += value * Double(count)
        }
    }

    /// Counts a duration, in seconds.
    package func observe(_ duration: Duration) {
        observe(duration / .seconds(1))
    }

    /// Counts what one thread has gathered, which is empty then.
    ///
    /// - Parameter tally: of this histogram.
    package func take(_ tally: inout Tally) {
        guard tally.count > 0 else { return }
        state.withLock { state in
            for place in tally.counts.indices { state.counts[place] += tally.counts[place] }
            state.sum += tally.sum
        }
        tally = Tally(self)
    }

    fileprivate func place(of value: Double) -> Int { bounds.firstIndex { value <= $0 } ?? bounds.count }

    var series: MetricSeries.Value {
        let state = state.withLock { $0 }
        var (below, atMost) = (Int64(0), [Int64]())
        for count in state.counts.dropLast() {
            below += count
            atMost.append(below)
        }
        return .histogram(atMost: atMost, count: below + (state.counts.last ?? 0), sum: state.sum)
    }

    /// Observations that one thread gathers, to count them together: no lock is taken for each.
    package struct Tally: Sendable {
        private let histogram: Histogram
        fileprivate private(set) var counts: [Int64]
        fileprivate private(set) var sum = 0.0
        /// How many there are.
        package private(set) var count: Int64 = 0

        /// - Parameter histogram: that takes them.
        package init(_ histogram: Histogram) {
            self.histogram = histogram
            counts = Array(repeating: 0, count: histogram.bounds.count + 1)
        }

        /// Adds observations of one size; less than nothing counts as nothing.
        package mutating func observe(_ value: Double, count: Int64 = 1) {
            let value = max(0, value)
            counts[histogram.place(of: value)] += count
            sum += value * Double(count)
            self.count += count
        }
    }
}
