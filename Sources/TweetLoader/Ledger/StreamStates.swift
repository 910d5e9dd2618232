import Core
import Postgres

/// What the newest heartbeats say of one stream, of all its producers together.
struct StreamStates: Sendable, Equatable {
    let stream: String
    /// When the newest heartbeat was written.
    var aliveAt: Timestamp
    /// From then until a loader settled it.
    var delay: Duration
    /// When the next one is due; nil when unknown.
    var dueAfter: Duration?
    /// Whether one of the producers that live is connected; nil when none says so.
    var isConnected: Bool?

    /// How much older than the newest heartbeat that of another producer may be that lives, too.
    private static let company = Duration.seconds(90)

    /// Reads the states of the streams, without journals that were dismissed.
    ///
    /// - Parameter connection: to the database.
    /// - Returns: the streams by name.
    /// - Throws: `PostgresError` when they cannot be read.
    static func read(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [StreamStates] {
        let answer = try connection.query(
            """
            SELECT stream, \(milliseconds("alive_at")), \(milliseconds("settled_at")),
                (extract(epoch FROM due_after) * 1000)::bigint, connected
            FROM stream_state
            WHERE NOT EXISTS (SELECT FROM dismissed d WHERE d.kind = 'journal' AND d.name = stream_state.journal)
            ORDER BY stream, alive_at DESC
            """, doing: "read the states of the streams")
        var states: [StreamStates] = []
        for row in 0..<answer.rowCount {
            let aliveAt = answer.integer(row, 1) ?? 0
            let isConnected = answer.text(row, 4).map { $0 == "t" }
            if let newest = states.last, newest.stream == answer.text(row, 0) {
                let isAlive = newest.aliveAt.milliseconds - aliveAt < company.milliseconds
                if isAlive, isConnected == true { states[states.count - 1].isConnected = true }
                continue
            }
            states.append(
                StreamStates(
                    stream: answer.text(row, 0) ?? "", aliveAt: Timestamp(milliseconds: aliveAt),
                    delay: .milliseconds((answer.integer(row, 2) ?? aliveAt) - aliveAt),
                    dueAfter: answer.integer(row, 3).map { .milliseconds($0) }, isConnected: isConnected))
        }
        return states
    }

    private static func milliseconds(_ column: String) -> String {
        "(extract(epoch FROM \(column)) * 1000)::bigint"
    }
}
