import Core
import Postgres

/// A row of an answer.
struct ConsoleRow {
    private let values: [String?]

    init(_ values: [String?]) { self.values = values }

    /// A value as text; nil for NULL.
    subscript(_ column: Int) -> String? { values[column] }

    /// A value as text; empty for NULL.
    func text(_ column: Int) -> String { values[column] ?? "" }

    /// A whole number; nil for NULL.
    func integer(_ column: Int) -> Int64? { values[column].flatMap { Int64($0) } }

    func isTrue(_ column: Int) -> Bool { values[column] == "t" }
}

/// The queries of a page take longer than they may.
struct OutOfTime: Error {}

/// A connection of the console to PostgreSQL: it can only read, and each page has a bounded time for all of its queries.
///
/// Owned by one thread.
final class ConsoleSession {
    private let connection: PostgresConnection
    /// The time of a page.
    private let budget: Duration
    private var deadline: ContinuousClock.Instant
    /// The server's `statement_timeout`, as it was set last.
    private var timeout: Duration
    /// Whether a statement was lost with its connection.
    private(set) var isLost = false

    /// How much later than the server the console itself stops waiting: a server that hangs keeps no time-out.
    private static let grace = Duration.seconds(1)
    private static let shortest = Duration.milliseconds(50)

    /// Connects.
    ///
    /// - Parameters:
    ///   - conninfo: where PostgreSQL is.
    ///   - budget: the time of a page.
    ///   - stop: ends waiting once it is immediate.
    /// - Throws: `PostgresError`; `DatabaseError` when the schema is not the one this program knows.
    init(_ conninfo: PostgresConninfo, budget: Duration, stop: Stop? = nil) throws {
        var conninfo = conninfo
        conninfo.statementTimeout = budget
        conninfo.answerGrace = Self.grace
        connection = try PostgresConnection.connect(conninfo, role: .any, stop: stop)
        // Parallel workers are the loader's.
        try connection.execute(
            """
            SET default_transaction_read_only = on; SET lock_timeout = '1s';
            SET max_parallel_workers_per_gather = 0; SET application_name = 'tweet-console'
            """, doing: "prepare session")
        try Migration.check(connection)
        (self.budget, timeout, deadline) = (budget, budget, .now + budget)
    }

    /// Begins a page.
    func begin() { deadline = .now + budget }

    /// What is left of the page's time.
    var timeLeft: Duration { ContinuousClock.now.duration(to: deadline) }

    /// The rows of a query.
    ///
    /// - Parameters:
    ///   - sql: the query, never with data in it.
    ///   - parameters: in text form.
    ///   - operation: what it is for, in an error.
    ///   - limit: its time, when it must leave some to others.
    /// - Returns: the rows.
    /// - Throws: `PostgresError`; `OutOfTime` when the page has no time left.
    func rows(
        _ sql: String, _ parameters: [String?] = [], doing operation: String, within limit: Duration = .seconds(60)
    ) throws -> [ConsoleRow] {
        try work(within: limit) { connection in
            try connection.query(sql, parameters, doing: operation).rows.map { ConsoleRow($0) }
        }
    }

    /// The one number of a query; nil without a row or with NULL.
    func number(_ sql: String, _ parameters: [String?] = [], doing operation: String) throws -> Int64? {
        try rows(sql, parameters, doing: operation).first?.integer(0)
    }

    /// Lends the connection.
    ///
    /// - Parameters:
    ///   - limit: the time of each statement.
    ///   - body: asks what it needs.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; `OutOfTime` when the page has no time left.
    func work<Value>(
        within limit: Duration = .seconds(60), _ body: (borrowing PostgresConnection) throws -> Value
    ) throws -> Value {
        let left = min(timeLeft, limit)
        guard left > Self.shortest else { throw OutOfTime() }
        do {
            if left < timeout || timeout < min(budget, left) {
                try connection.execute("SET statement_timeout = \(left.milliseconds)", doing: "set the time-out")
                timeout = left
            }
            return try body(connection)
        } catch let error as PostgresError {
            isLost = isLost || error.isConnectionLost
            // What a function has begun is over.
            if !error.isConnectionLost { try? connection.execute("ROLLBACK") }
            if error.sqlstate == "57014" { throw OutOfTime() }
            throw error
        }
    }
}

/// SQL for a timestamp as milliseconds since 1970.
func sqlMilliseconds(_ moment: String) -> String { "(extract(epoch FROM \(moment)) * 1000)::bigint" }
