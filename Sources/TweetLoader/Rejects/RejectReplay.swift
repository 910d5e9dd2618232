import Core
import Postgres

/// Writes rejects as if they came from Kafka now; those that are taken are rejects no longer.
struct RejectReplay: ~Copyable {
    /// What came of it.
    struct Result: Report {
        /// Rejects that were decoded.
        var rejects = 0
        /// Of them, how many are no rejects any more.
        var replayed = 0
        /// Rows that they became, and tweets that were there already.
        var inserted = 0
        var duplicates = 0
        var events = 0
        /// How many stay, by reason.
        var remaining: [String: Int] = [:]
        var isDryRun = false

        func text(on terminal: Terminal?) -> String {
            var lines = [
                "\(isDryRun ? "would replay" : "replayed") \(replayed) of \(rejects): \(inserted) tweets, "
                    + "\(duplicates) already stored, \(events) events"
            ]
            for (reason, count) in remaining.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
                lines.append("\(count) remain rejects: \(reason)")
            }
            return lines.joined(separator: "\n")
        }
    }

    private let payload: PayloadMode
    private let isDryRun: Bool
    private var decoder = TweetDecoder()
    private var tweets = TweetWriter()
    private var result = Result()

    init(payload: PayloadMode, isDryRun: Bool) {
        self.payload = payload
        self.isDryRun = isDryRun
        result.isDryRun = isDryRun
    }

    /// Replays what is selected, some hundred in a transaction.
    ///
    /// - Throws: `PostgresError`; `DatabaseError` (`wait`) when PostgreSQL accepts no row at all.
    mutating func run(_ selection: RejectSelection, _ connection: borrowing PostgresConnection) throws -> Result {
        var last: Int64 = 0
        while true {
            let page = try StoredReject.read(selection, after: last, limit: 500, connection)
            guard let end = page.last else { return result }
            do { try replay(page, connection) } catch let error as TweetWriter.EveryRowRefused {
                throw DatabaseError(.wait, "\(error)")
            }
            last = end.id
        }
    }

    private mutating func replay(_ page: [StoredReject], _ connection: borrowing PostgresConnection) throws {
        let whole = page.filter(\.isWhole)
        stay(page.filter { !$0.isWhole })
        var batch = Batch()
        for reject in whole {
            batch.add(reject.record, key: reject.key, value: reject.value, decoder: &decoder, payload: payload)
        }
        try tweets.prepare(batch, connection)
        try connection.execute("BEGIN")
        let ours = try lock(whole, connection)
        batch.drop(messages: whole.indices.filter { !ours.contains(whole[$0].id) })
        var outcome = try tweets.write(batch, .rejected, connection)
        try outcome.hours.resolve(connection)
        let refused = try StreamEventsTable.insert(of: batch, connection)
        try outcome.hours.store(connection)
        let bad =
            batch.rejects.map(\.message) + refused.map(\.message) + outcome.refused.map(\.line.message)
            + batch.deletions.map(\.message)
        let remaining = Set(bad)
        let done = whole.indices.filter { ours.contains(whole[$0].id) && !remaining.contains($0) }
        _ = try connection.query(
            "DELETE FROM rejects WHERE id = ANY ($1::bigint[])", [arrayLiteral(done.map { whole[$0].id })],
            doing: "remove replayed rejects")
        try connection.execute(isDryRun ? "ROLLBACK" : "COMMIT")
        stay(remaining.map { whole[$0] })
        result.rejects += done.count
        result.replayed += done.count
        result.inserted += outcome.inserted
        result.duplicates += outcome.duplicates
        result.events += batch.events.count - refused.count
    }

    /// Locks rejects; returns the ids of those that are still there.
    private func lock(
        _ rejects: [StoredReject], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Set<Int64> {
        let locked = try connection.query(
            "SELECT id FROM rejects WHERE id = ANY ($1::bigint[]) FOR UPDATE", [arrayLiteral(rejects.map { $0.id })],
            doing: "lock rejects")
        return Set((0..<locked.rowCount).compactMap { locked.integer($0, 0) })
    }

    private mutating func stay(_ rejects: [StoredReject]) {
        result.rejects += rejects.count
        for reject in rejects { result.remaining[reject.reason, default: 0] += 1 }
    }
}
