import Synchronization

/// How the lag of a loader changes, by its last looks at Kafka. Thread-safe.
final class LagTrend: Sendable {
    /// The last sums of all lags, the newest last.
    private let sums = Mutex<[Int64]>([])

    /// How many looks it takes to see a direction.
    private static let looks = 3

    /// Takes note of a look.
    func note(_ lag: Int64) {
        sums.withLock { sums in
            sums.append(lag)
            if sums.count > Self.looks + 1 { sums.removeFirst() }
        }
    }

    /// How many messages of the lag are settled in each look; nil when it does not shrink, or was looked at too rarely.
    var messagesPerLook: Double? {
        sums.withLock { sums in
            guard sums.count > Self.looks, let first = sums.first, let last = sums.last, last < first else {
                return nil
            }
            return Double(first - last) / Double(sums.count - 1)
        }
    }

    /// The newest sum.
    var lag: Int64 { sums.withLock { $0.last ?? 0 } }
}
