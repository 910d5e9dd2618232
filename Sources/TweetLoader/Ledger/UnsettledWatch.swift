/// Finds the numbers that stay unsettled: those in flight are settled soon, and what is left is probably missing.
///
/// It keeps two snapshots, the older of which is at least `age` old, and takes out of both what was settled meanwhile.
struct UnsettledWatch {
    /// For so long a number must have been unsettled at every look.
    static let age = Duration.seconds(600)

    private typealias Numbers = [JournalName: RangeSet<Int64>]

    /// Numbers that were unsettled `age` ago, and at every look since.
    private var old: Numbers = [:]
    private var young: Numbers = [:]
    private var youngSince: ContinuousClock.Instant?

    /// Looks at what is not settled.
    ///
    /// - Parameters:
    ///   - unsettled: of each journal, the numbers below its highest that are not settled.
    ///   - now: the time.
    /// - Returns: how many of each stream have not been settled for `age`, by stream; streams without any are 0.
    mutating func look(
        _ unsettled: [JournalName: RangeSet<Int64>], at now: ContinuousClock.Instant = .now
    ) -> [String: Int64] {
        old = Self.rest(of: old, in: unsettled)
        young = Self.rest(of: young, in: unsettled)
        if youngSince.map({ $0.duration(to: now) >= Self.age }) ?? true {
            // At the first look nothing is old yet.
            if youngSince != nil { old = young }
            (young, youngSince) = (unsettled, now)
        }
        return unsettled.keys.reduce(into: [:]) { $0[$1.stream, default: 0] += old[$1]?.count ?? 0 }
    }

    private static func rest(of numbers: Numbers, in unsettled: Numbers) -> Numbers {
        numbers.reduce(into: [:]) { rest, part in
            let kept = part.value.intersection(unsettled[part.key] ?? RangeSet())
            if !kept.isEmpty { rest[part.key] = kept }
        }
    }
}
