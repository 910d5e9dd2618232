import Core
import Postgres

/// Deletes entries that are no longer kept, and what was charged before yesterday.
struct TimelineRetention: Sendable {
    let keep: EntryKeep

    /// One process at a time; the number is arbitrary but must not change.
    private static let advisoryLock: Int64 = 7_205_759_403_792_796

    /// Deletes, unless another process does.
    ///
    /// - Parameter connection: without a transaction.
    /// - Throws: `PostgresError`.
    func run(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        let lock = try connection.query(
            "SELECT pg_try_advisory_lock(\(Self.advisoryLock))", doing: "begin to delete old entries")
        guard lock.text(0, 0) == "t" else { return }
        _ = try connection.query(
            "DELETE FROM timeline_reads WHERE day < (now() AT TIME ZONE 'UTC')::date - 1", doing: "delete old reads")
        switch keep {
        case .all: break
        case .posts(let count):
            _ = try connection.query("SELECT trim_timelines($1)", ["\(count)"], doing: "delete old entries")
        case .time(let time):
            _ = try connection.query(
                "DELETE FROM timeline_entries WHERE tweet_id < tweet_id_at(now() - $1::bigint * interval '1 ms')",
                ["\(time.milliseconds)"], doing: "delete old entries")
        }
        try connection.execute("SELECT pg_advisory_unlock(\(Self.advisoryLock))", doing: "end to delete old entries")
    }
}
