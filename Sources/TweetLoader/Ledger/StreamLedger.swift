import Core
import Postgres

/// Keeps the ledger of settled sequence numbers in PostgreSQL.
///
/// Each batch appends its own numbers, so that loaders never wait for each other; the loader that gets an advisory lock folds
/// them into the one row of a journal.
struct StreamLedger {
    private var nextFold = ContinuousClock.now
    /// Attempts to fold until the next batch; at first, for what a killed loader has left.
    private var attempts = 2

    /// Two loaders never fold at once, and none waits for it; the number is arbitrary but must not change.
    private static let advisoryLock: Int64 = 7_205_759_403_792_795

    /// Appends the numbers that a batch settles, in its transaction.
    ///
    /// Nothing in a message can make this fail: names are checked with the headers (`Batch.plausible`), numbers are positive.
    static func append(
        _ numbers: [JournalName: RangeSet<Int64>], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !numbers.isEmpty else { return }
        let journals = numbers.keys.sorted()
        _ = try connection.query(
            """
            INSERT INTO stream_ledger_pending (stream, journal, settled)
            SELECT * FROM unnest($1::text[], $2::text[], $3::int8multirange[])
            """,
            [
                arrayLiteral(journals.map(\.stream)), arrayLiteral(journals.map(\.journal)),
                arrayLiteral(journals.map { numbers[$0]?.multirange }),
            ], doing: "append to the ledger")
    }

    /// Takes note that a batch was committed.
    mutating func committed() {
        attempts = 2
    }

    /// Whether it is time to fold.
    var isDue: Bool { attempts > 0 && ContinuousClock.now >= nextFold }

    /// Folds what is pending, unless another loader does so: a statement, and a transaction, of its own.
    ///
    /// At most once a second, and so rarely that it uses at most a fiftieth of the time.
    mutating func fold(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        let start = ContinuousClock.now
        let answer = try connection.query(
            """
            WITH turn AS MATERIALIZED (
                SELECT pg_try_advisory_xact_lock(\(Self.advisoryLock)) AS ours
            ), taken AS (
                DELETE FROM stream_ledger_pending WHERE (SELECT ours FROM turn) RETURNING stream, journal, settled
            )
            INSERT INTO stream_ledger AS l (stream, journal, settled)
            SELECT stream, journal, range_agg(range) FROM taken, unnest(settled) AS range GROUP BY stream, journal
            ON CONFLICT (stream, journal) DO UPDATE SET settled = l.settled + excluded.settled, folded_at = now()
            """, doing: "fold the ledger")
        // Nothing folded: another loader does so, and may have begun too early to see our last batch.
        attempts = answer.affectedRows > 0 ? 0 : attempts - 1
        nextFold = max(start + .seconds(1), .now + (ContinuousClock.now - start) * 50)
    }

    /// What is settled of each journal, folded or not.
    ///
    /// - Parameter connection: to the database.
    /// - Returns: the numbers by journal.
    /// - Throws: `PostgresError`; `DatabaseError` when the table holds what is no set of numbers.
    static func read(_ connection: borrowing PostgresConnection) throws -> [JournalName: RangeSet<Int64>] {
        let answer = try connection.query(
            """
            SELECT stream, journal, range_agg(range)
            FROM (SELECT stream, journal, settled FROM stream_ledger
                UNION ALL SELECT stream, journal, settled FROM stream_ledger_pending) AS journals, unnest(settled) AS range
            GROUP BY stream, journal ORDER BY stream, journal
            """, doing: "read the ledger")
        var result: [JournalName: RangeSet<Int64>] = [:]
        for row in 0..<answer.rowCount {
            guard let stream = answer.text(row, 0), let journal = answer.text(row, 1) else { continue }
            guard let settled = RangeSet(multirange: answer.text(row, 2) ?? "{}") else {
                throw DatabaseError(.reject, "the ledger of \(stream) \(journal) is not an int8multirange")
            }
            result[JournalName(stream: stream, journal: journal)] = settled
        }
        return result
    }
}
