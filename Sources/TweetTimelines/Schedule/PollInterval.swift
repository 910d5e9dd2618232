import Core

/// When a timeline is polled next. Pure functions.
enum PollInterval {
    /// New posts of a poll that are aimed at, at most.
    static let target = 50

    /// The interval after a poll.
    ///
    /// - Parameters:
    ///   - interval: the one before.
    ///   - new: new posts of the poll.
    ///   - isQuiet: whether the last polls have found nothing.
    ///   - bounds: the shortest and the longest one.
    /// - Returns: shorter when posts are many, longer when there are none.
    static func next(after interval: Duration, new: Int, isQuiet: Bool, in bounds: ClosedRange<Duration>) -> Duration {
        var next = interval
        if new > target {
            next = interval / 2
        } else if new == 0, isQuiet {
            next = interval * 3 / 2
        } else if new > 0, interval > bounds.lowerBound {
            // So that the interval of an account that begins to post again does not wait for many posts.
            next = interval * 3 / 4
        }
        return min(max(next, bounds.lowerBound), bounds.upperBound)
    }

    /// The next poll: each account has its own place in the interval, and a spread of 10 % each time.
    ///
    /// - Parameters:
    ///   - now: the time.
    ///   - account: whose timeline.
    ///   - interval: between polls.
    ///   - random: from 0 to 1.
    /// - Returns: between half of the interval and 1.6 of it from now.
    static func due(
        after now: Timestamp, account: Int64, interval: Duration, random: Double = .random(in: 0...1)
    ) -> Timestamp {
        let length = max(interval.milliseconds, 1)
        let phase = Int64(bitPattern: mixed(UInt64(bitPattern: account)) % UInt64(length))
        var due = (now.milliseconds - phase) / length * length + phase + length
        if due - now.milliseconds < length / 2 { due += length }
        return Timestamp(milliseconds: due + Int64(Double(length) * 0.1 * random))
    }

    /// Neighbouring ids get distant places (the finalizer of SplitMix64).
    private static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
