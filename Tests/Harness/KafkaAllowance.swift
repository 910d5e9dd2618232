/// How many bytes may pass by now.
struct KafkaAllowance {
    private(set) var bytes = Int.max
    private var last = ContinuousClock.now

    /// Adds what the time since the last call allows, for at most a tenth of a second.
    mutating func next(_ rate: Int?) -> Int {
        let now = ContinuousClock.now
        guard let rate else {
            (bytes, last) = (Int.max, now)
            return bytes
        }
        let more = Int(Double(rate) * Double(last.duration(to: now).milliseconds) / 1000)
        // Fractions must add up, too.
        guard more > 0 else { return min(bytes, rate / 10) }
        last = now
        bytes = min(min(bytes, rate / 10) + more, max(1, rate / 10))
        return bytes
    }

    mutating func use(_ count: Int) {
        if bytes != Int.max { bytes -= count }
    }
}
