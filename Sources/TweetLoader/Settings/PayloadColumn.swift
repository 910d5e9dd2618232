import Core
import Postgres

/// The type of the payload column must fit what is sent into it.
enum PayloadColumn {
    /// Checks the column's type.
    ///
    /// - Parameters:
    ///   - mode: what is to be stored.
    ///   - connection: to the database.
    /// - Throws: `DatabaseError` when `tweets.payload` has a different type than `mode` needs; `PostgresError`.
    static func check(_ mode: PayloadMode, _ connection: borrowing PostgresConnection) throws {
        guard let wanted = mode.columnType else { return }
        let answer = try connection.query(PayloadMode.columnTypeSQL, doing: "look at the payload column")
        let found = answer.rowCount == 1 ? answer.text(0, 0) ?? "" : "missing"
        guard found == wanted else {
            throw DatabaseError(
                .operator(.settings),
                "PAYLOAD (--payload) is \(mode.rawValue), but the column tweets.payload is \(found)\n"
                    + "use --payload \(found), or run `tweet-loader migrate --payload \(mode.rawValue)` to change the column"
            )
        }
    }
}
