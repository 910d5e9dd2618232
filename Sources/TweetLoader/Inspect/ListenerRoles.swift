import Postgres

/// Which producers of a stream read it, as far as their events say: `STANDBY=on` has one, `STANDBY=active` several.
enum ListenerRoles {
    /// A producer's part.
    enum Role: String, Encodable {
        case active, passive
    }

    /// Reads the roles of the journals whose streams several producers share.
    ///
    /// - Parameter connection: to the database.
    /// - Returns: the roles; nothing for a journal that has ended, or that another one has replaced since.
    /// - Throws: `PostgresError` when PostgreSQL cannot be asked.
    static func read(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [JournalName: Role] {
        let answer = try connection.query(sql, doing: "read the roles of the producers")
        var roles: [JournalName: Role] = [:]
        for row in answer.rows {
            roles[JournalName(stream: row[0] ?? "", journal: row[1] ?? "")] = Role(rawValue: row[2] ?? "")
        }
        return roles
    }

    /// The last event of each journal decides. A producer that was killed has journalled no end: then the event of the one
    /// that replaced it decides.
    private static let sql = """
        WITH last AS (
            SELECT DISTINCT ON (stream, journal) stream, journal, type, at FROM stream_events
            WHERE type IN ('started', 'stopped', 'connected', 'disconnected', 'connect_failed', 'handed_over', 'passive')
                AND stream IN (SELECT stream FROM stream_events WHERE type IN ('handed_over', 'passive', 'tally'))
            ORDER BY stream, journal, seq DESC
        )
        SELECT stream, journal, CASE type WHEN 'passive' THEN 'passive' ELSE 'active' END FROM last
        WHERE type NOT IN ('started', 'stopped') AND (type = 'passive' OR NOT EXISTS (
            SELECT FROM stream_events o
            WHERE o.stream = last.stream AND o.journal <> last.journal AND o.type = 'handed_over' AND o.at > last.at))
        """
}
