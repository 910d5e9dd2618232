/// How long to wait after each failure in a row: growing from `first` to `longest`, spread by chance, so that many clients do
/// not return in step. A pure value.
package struct Backoff: Sendable {
    /// How a wait follows from the one before.
    package enum Growth: Sendable {
        /// Twice as long.
        case doubling
        /// Longer by the first wait.
        case linear
    }

    private let first: Duration
    private let longest: Duration
    private let growth: Growth
    /// A wait is multiplied by a number from this range.
    private let spread: ClosedRange<Double>
    /// Failures in a row.
    package private(set) var failures = 0

    /// - Parameters:
    ///   - first: the wait after the first failure.
    ///   - longest: the wait that is never exceeded, apart from the spread.
    ///   - growth: how waits grow.
    ///   - spread: what a wait is multiplied by, chosen by chance; `1...1` for none.
    package init(
        first: Duration, longest: Duration, growth: Growth = .doubling, spread: ClosedRange<Double> = 0.5...1
    ) {
        (self.first, self.longest, self.growth, self.spread) = (first, longest, growth, spread)
    }

    /// Counts a failure.
    ///
    /// - Parameter random: a number from 0 to 1 that chooses within the spread.
    /// - Returns: how long to wait before the next attempt.
    package mutating func next(random: Double = .random(in: 0...1)) -> Duration {
        failures += 1
        let grown =
            switch growth {
            case .doubling: first * (1 << min(failures - 1, 20))
            case .linear: first * failures
            }
        return min(grown, longest) * (spread.lowerBound + (spread.upperBound - spread.lowerBound) * random)
    }

    /// Something succeeded: the next failure is the first again.
    package mutating func reset() { failures = 0 }
}
