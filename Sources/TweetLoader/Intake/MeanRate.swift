import Glibc

/// Events a second, as a mean in which those of 10 s ago count for a third.
struct MeanRate {
    private(set) var perSecond = 0.0
    private var last = ContinuousClock.now

    /// The rate after this number of events since the last call.
    func adding(_ count: Int64, now: ContinuousClock.Instant = .now) -> MeanRate {
        let seconds = max((now - last) / .seconds(1), 0.001)
        let weight = 1 - exp(-seconds / 10)
        var result = self
        result.perSecond = perSecond * (1 - weight) + Double(count) / seconds * weight
        result.last = now
        return result
    }
}
