import Logging
import PipelineKit

/// The loader's connection to PostgreSQL, made anew whenever it is gone.
final class DatabaseSession {
    private let conninfo: PostgresConninfo
    private let payload: PayloadMode
    private let stop: Stop
    private var connection: PostgresConnection?
    /// Whether PostgreSQL has taken us once; before that, a refusal ends the service instead of waiting.
    private(set) var hasServed = false

    init(_ conninfo: PostgresConninfo, payload: PayloadMode, stop: Stop) {
        self.conninfo = conninfo
        self.payload = payload
        self.stop = stop
    }

    /// Runs `work` once, on a connection that is made if there is none; rolls back what it left open when it throws.
    ///
    /// - Throws: what `work` throws; `PostgresError` when there is no way to PostgreSQL; `Failure` for a schema that this
    ///   binary does not know, and for a refusal at the first connection.
    func attempt<Result>(_ work: (borrowing PostgresConnection) throws -> Result) throws -> Result {
        let current: PostgresConnection
        if let kept = connection.take() { current = kept } else { current = try connect() }
        do {
            let result = try work(current)
            connection = consume current
            return result
        } catch {
            let isUsable = !((error as? PostgresError)?.leavesConnectionUnusable ?? false)
            if isUsable, (try? current.execute("ROLLBACK")) != nil { connection = consume current }
            throw error
        }
    }

    private func connect() throws -> PostgresConnection {
        do {
            let connection = try PostgresConnection.connect(conninfo, stop: stop)
            try Migration.check(connection)
            try PayloadColumn.check(payload, connection)
            hasServed = true
            return connection
        } catch let error as PostgresError where error.disposition == .refused && !hasServed {
            throw Failure(refusal: error, conninfo)
        }
    }
}

extension Failure {
    /// A refusal that waiting does not heal, as the end of a command, with what to do about it.
    init(refusal error: PostgresError, _ conninfo: PostgresConninfo) {
        let place = "PostgreSQL at \(conninfo.place)"
        switch error {
        case _ where error.isUnknownDatabase:
            self.init(
                .badSettings,
                "\(place): \(error)\ncreate the database (createdb) or correct DATABASE_URL, then run `tweet-loader migrate`"
            )
        case _ where error.isRefusedCredentials:
            self.init(
                .refusedCredentials,
                "\(place): \(error)\ncheck user and password in DATABASE_URL, PGPASSWORD or ~/.pgpass, and the role's rights"
            )
        case _ where error.disposition == .refused:
            self.init(.badSettings, "\(place): \(error)\nis the schema that of `tweet-loader migrate`?")
        default:
            self.init(.unavailable, "\(place): \(error)")
        }
    }
}

/// The type of the payload column must fit what is sent into it.
enum PayloadColumn {
    /// Throws `Failure` (78) when `tweets.payload` has another type than `mode` needs.
    static func check(_ mode: PayloadMode, _ connection: borrowing PostgresConnection) throws {
        guard let wanted = mode.columnType else { return }
        let answer = try connection.query(PayloadMode.columnTypeSQL, doing: "look at the payload column")
        let found = answer.rowCount == 1 ? answer.text(0, 0) ?? "" : "missing"
        guard found == wanted else {
            throw Failure(
                .badSettings,
                "PAYLOAD (--payload) is \(mode.rawValue), but the column tweets.payload is \(found)\n"
                    + "use --payload \(found), or run `tweet-loader migrate --payload \(mode.rawValue)` to change the column"
            )
        }
    }
}

extension PostgresError {
    /// Whether to make a new connection: this one is gone, or leads to a server that does not take writes.
    fileprivate var leavesConnectionUnusable: Bool { isConnectionLost || sqlstate == "25006" }
}
