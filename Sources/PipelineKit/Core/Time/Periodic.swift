/// What is due at most once in an interval, such as a line about progress.
package struct Periodic: Sendable {
    private let interval: Duration
    private var next: ContinuousClock.Instant

    /// - Parameters:
    ///   - interval: from one time to the next.
    ///   - atOnce: whether the first time is now, not after one interval.
    package init(every interval: Duration, atOnce: Bool = false) {
        self.interval = interval
        next = atOnce ? .now : .now + interval
    }

    /// Whether it is due; then it is due again after the interval.
    ///
    /// - Returns: true at most once in an interval.
    package mutating func isDue() -> Bool {
        let now = ContinuousClock.now
        guard now >= next else { return false }
        next = now + interval
        return true
    }
}
