/// Failures one after the other for the same reason: journalled once, and logged every 5 minutes.
struct FailureRun {
    private(set) var count = 0
    private var cause = ""
    private var status: Int?
    private var toldAt: ContinuousClock.Instant?

    /// Counts a failure, and decides whether it is the first of its run, and whether it is worth a line in the log.
    mutating func note(_ interruption: Interruption, at now: ContinuousClock.Instant) -> (isFirst: Bool, isTold: Bool) {
        let isFirst = count == 0 || interruption.cause != cause || interruption.status != status
        count = isFirst ? 1 : count + 1
        (cause, status) = (interruption.cause, interruption.status)
        let isTold = isFirst || (toldAt.map { $0.duration(to: now) >= .seconds(300) } ?? true)
        if isTold { toldAt = now }
        return (isFirst, isTold)
    }
}
