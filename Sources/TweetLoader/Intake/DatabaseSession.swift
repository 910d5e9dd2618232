import Core
import Logging
import Postgres

/// The loader's connection to PostgreSQL, recreated whenever it is lost.
final class DatabaseSession {
    private let conninfo: PostgresConninfo
    private let payload: PayloadMode
    private let stop: Stop
    /// Gets the weaknesses of the database's settings; nil when another session reports them.
    private let logger: Logger?
    /// Weaknesses of the database's settings that were logged.
    private var known: [SessionFinding] = []
    private var connection: PostgresConnection?
    /// Whether PostgreSQL has taken us once; before that, a refusal ends the service instead of waiting.
    private(set) var hasServed = false

    init(_ conninfo: PostgresConninfo, payload: PayloadMode, stop: Stop, logger: Logger? = nil) {
        self.logger = logger
        self.conninfo = conninfo
        self.payload = payload
        self.stop = stop
    }

    /// Runs `work` once, on a connection that is made if there is none; rolls back what it left open when it throws.
    ///
    /// - Throws: what `work` throws; `PostgresError` when there is no way to PostgreSQL; `DatabaseError` for a schema that this
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
            try checkSettings(of: connection)
            try Migration.check(connection)
            try PayloadColumn.check(payload, connection)
            hasServed = true
            return connection
        } catch let error as PostgresError where error.disposition == .refused && !hasServed {
            throw DatabaseError(error, conninfo)
        }
    }

    private func checkSettings(of connection: borrowing PostgresConnection) throws {
        let found = try DatabaseCheck.run(connection)
        for finding in found where !known.contains(finding) {
            logger?.warning(
                "a PostgreSQL setting weakens the guarantees",
                metadata: [
                    "setting": "\(finding.name)", "value": "\(finding.value)", "source": "\(finding.source)",
                    "consequence": "\(finding.consequence)",
                ])
        }
        known = found
    }
}

extension PostgresError {
    /// Whether to make a new connection: this one is lost, or its server does not accept writes.
    fileprivate var leavesConnectionUnusable: Bool { isConnectionLost || sqlstate == "25006" }
}
