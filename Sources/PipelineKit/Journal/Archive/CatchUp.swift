/// Whether Kafka is catching up with the journal, by how fast its acknowledgements come: then every core has better work than
/// the archive's. Live streams are far slower.
struct CatchUp {
    private var looked: (at: ContinuousClock.Instant, acknowledged: Int64)
    private var until: ContinuousClock.Instant

    /// Lines in a millisecond.
    private static let fast: Int64 = 20
    /// Checkpoints come twice a second, so shorter times tell nothing.
    private static let shortest: Int64 = 500
    /// How long one burst counts.
    private static let memory = Duration.seconds(2)

    init(acknowledged: Int64, at now: ContinuousClock.Instant = .now) {
        looked = (now, acknowledged)
        until = now
    }

    /// Takes note of how far Kafka is, and says whether it is catching up.
    mutating func isGoingOn(acknowledged: Int64, at now: ContinuousClock.Instant = .now) -> Bool {
        let passed = max(looked.at.duration(to: now).milliseconds, Self.shortest)
        if acknowledged - looked.acknowledged >= Self.fast * passed { until = now + Self.memory }
        looked = (now, acknowledged)
        return now < until
    }
}
