import Postgres

/// A loader's heartbeats in the table `loaders`, by which `status` shows whether one runs.
struct LoaderPresence {
    let owner: String
    private var nextSign = ContinuousClock.now
    /// Why Kafka's group does not accept the loader, and what to do.
    private var problem: String?

    /// How often a loader sends a heartbeat, and after which silence it counts as ended.
    static let interval = Duration.seconds(5)
    static let silence = Duration.seconds(15)

    init(owner: String) {
        self.owner = owner
    }

    /// Whether the next heartbeat is due: after each interval, and when the problem changes.
    mutating func takeTurn(problem: String? = nil) -> Bool {
        guard ContinuousClock.now >= nextSign || problem != self.problem else { return false }
        self.problem = problem
        nextSign = .now + Self.interval
        return true
    }

    /// Writes that this loader runs, and forgets loaders that ended a week ago.
    func sign(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        _ = try connection.query(
            """
            WITH forgotten AS (DELETE FROM loaders WHERE seen_at < now() - interval '7 days' AND owner <> $1)
            INSERT INTO loaders (owner, problem) VALUES ($1, $2)
            ON CONFLICT (owner) DO UPDATE SET seen_at = clock_timestamp(), ended_at = NULL, problem = $2
            """, [owner, problem], doing: "give a sign of life")
    }

    /// Writes that this loader ends.
    func end(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        _ = try connection.query(
            "UPDATE loaders SET seen_at = clock_timestamp(), ended_at = clock_timestamp() WHERE owner = $1", [owner],
            doing: "sign off")
    }
}
