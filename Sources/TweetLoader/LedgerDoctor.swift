import Core
import Postgres

/// Finds what is missing from the database or not yet in it, and loaders that the group does not accept. Reads only.
enum LedgerDoctor {
    /// How long a journal's numbers may have holes to which nothing is added: much longer than a batch takes.
    private static let patience = Duration.seconds(600)

    /// Everything.
    ///
    /// - Parameters:
    ///   - connection: to the database.
    ///   - patience: how long lines may stay unsettled while nothing is added to their journal.
    /// - Returns: what was found.
    /// - Throws: `PostgresError` when PostgreSQL cannot be asked.
    static func findings(
        _ connection: borrowing PostgresConnection, patience: Duration = patience
    ) throws -> [DoctorFinding] {
        [try loaders(connection), try gaps(connection), try ledger(connection, patience)]
    }

    /// A loader that shares its name in Kafka's group notices it, and records it.
    private static func loaders(_ connection: borrowing PostgresConnection) throws -> DoctorFinding {
        let rows = try connection.query(
            """
            SELECT owner, problem FROM loaders WHERE ended_at IS NULL AND seen_at > now() - interval '1 minute'
            ORDER BY owner
            """, doing: "ask for the loaders"
        ).rows
        let problems = rows.compactMap { row in row[1].map { "\(row[0] ?? ""): \($0)" } }
        guard problems.isEmpty else {
            return .warning("loaders", problems.joined(separator: "; "), remedy: GroupMembership.nameRemedy)
        }
        guard !rows.isEmpty else { return .ok("loaders", "none runs") }
        return .ok("loaders", "\(counted(rows.count, "writer")) without a problem")
    }

    private static func gaps(_ connection: borrowing PostgresConnection) throws -> DoctorFinding {
        let answer = try connection.query(
            """
            SELECT string_agg(format('%s of stream %s', n, stream), ', ' ORDER BY stream)
            FROM (SELECT stream, count(*) n FROM stream_gaps WHERE \(LedgerFacts.isOpen) GROUP BY stream) g
            """, doing: "count gaps")
        guard let found = answer.text(0, 0) else { return .ok("gaps", "none is open") }
        return .warning(
            "gaps", "posts may be missing; open: \(found)",
            remedy: "tweet-producer gaps list; gaps repair, or gaps close")
    }

    /// Lines are settled out of order, so that only holes to which nothing is added are suspicious.
    private static func ledger(
        _ connection: borrowing PostgresConnection, _ patience: Duration
    ) throws -> DoctorFinding {
        let dismissed = try Dismissals.journals(connection)
        let ages = try ages(connection)
        let holes = try StreamLedger.read(connection)
            .filter { !dismissed.contains($0.key.journal) }
            .map { (name: $0.key, count: Int64($0.value.missing.count)) }
            .filter { $0.count > 0 }
        let stuck = holes.filter { (ages[$0.name] ?? 0) >= patience.milliseconds / 1000 }.sorted { $0.name < $1.name }
        guard !stuck.isEmpty else {
            let count = holes.reduce(0) { $0 + $1.count }
            return .ok("ledger", count == 0 ? "every line is settled" : "\(counted(count, "line")) not settled yet")
        }
        let list = stuck.map { hole in
            "\(hole.count) of stream \(hole.name.stream), journal \(hole.name.journal),"
                + " for which nothing came for \(shortAge(ages[hole.name] ?? 0))"
        }
        return .warning(
            "ledger", "lines that are not settled: \(list.joined(separator: "; "))",
            remedy: "tweet-loader verify --journal DIR reports which, and whether Kafka still has them")
    }

    /// For how many seconds nothing was added to each journal's numbers.
    private static func ages(_ connection: borrowing PostgresConnection) throws -> [JournalName: Int64] {
        let answer = try connection.query(
            """
            SELECT stream, journal, extract(epoch FROM now() - max(at))::bigint
            FROM (SELECT stream, journal, folded_at AS at FROM stream_ledger
                UNION ALL SELECT stream, journal, settled_at FROM stream_ledger_pending) AS additions
            GROUP BY stream, journal
            """, doing: "ask for the ages of the ledger")
        return (0..<answer.rowCount).reduce(into: [:]) { ages, row in
            ages[JournalName(stream: answer.text(row, 0) ?? "", journal: answer.text(row, 1) ?? "")] =
                answer.integer(row, 2)
        }
    }
}
