/// How long to wait before the next attempt: doubling from 0.1 s to 5 s, with jitter so that many loaders do not come at once.
struct ReconnectBackoff {
    private var attempt = 0

    /// The next delay: between half and the whole of the step.
    mutating func next(random: () -> Double = { Double.random(in: 0..<1) }) -> Duration {
        let step = min(0.1 * Double(1 << min(attempt, 10)), 5)
        attempt += 1
        return .seconds(step * (0.5 + 0.5 * random()))
    }
}
