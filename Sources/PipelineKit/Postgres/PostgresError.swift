internal import CPostgres
import Core

/// A failure of PostgreSQL or of the way to it.
///
/// `description` is fit for logs: it never holds a value of a row. `serverMessage` has the server's message in full.
package struct PostgresError: Error, Sendable {
    /// What to do about it, decided in one place.
    package enum Disposition: Sendable {
        /// Time heals it (outage, resources, locks, a server that is read-only): wait and try again, without limit.
        case wait
        /// The same transaction may well succeed at once (deadlock, serialization).
        case retry
        /// As `wait`, and a smaller transaction may fit where this one did not (time or memory).
        case split
        /// A row is bad: find it and reject it, provided that others succeed.
        case rejectRow
        /// The server answers but refuses us as things are (password, rights, missing database, schema): a person must act.
        case refused
    }

    /// What we were doing, for instance `COPY into tweets`.
    package let operation: String
    /// The five characters of PostgreSQL's appendix A; nil when the failure is libpq's own.
    package let sqlstate: String?
    /// The server's or libpq's words; may quote values of a row, so it goes into the rejects table and nowhere else.
    package let serverMessage: String
    /// The table that the server named, if any.
    package let table: String?
    /// The column that the server named, if any.
    package let column: String?
    /// The constraint that the server named, if any.
    package let constraint: String?
    /// Whether the connection is unusable now.
    package let isConnectionLost: Bool
    /// What libpq itself failed at, when only an operator can change that; nil for everything that has a SQLSTATE.
    package let localFailure: PostgresLocalFailure?
    /// Who was connected, and to which database, where the server answered.
    package let session: (role: String, database: String)?

    /// An error that has no server's result: connecting failed, or the connection was lost.
    init(_ operation: String, sqlstate: String? = nil, message: String, isConnectionLost: Bool) {
        self.operation = operation
        self.sqlstate = sqlstate
        serverMessage = Redaction.clean(message)
        table = nil
        column = nil
        constraint = nil
        self.isConnectionLost = isConnectionLost
        localFailure = sqlstate == nil ? PostgresLocalFailure(message: message) : nil
        session = nil
    }

    /// Takes the fields out of a failed result (libpq, PQresultErrorField); the caller still owns the result.
    init(_ operation: String, result: OpaquePointer?, connection: OpaquePointer) {
        func field(_ code: Int32) -> String? {
            unsafe PQresultErrorField(result, code).map { unsafe String(cString: $0) }
        }
        self.operation = operation
        sqlstate = field(Int32(UInt8(ascii: "C")))
        let detail = field(Int32(UInt8(ascii: "D"))).map { " (\($0))" } ?? ""
        let message = unsafe (field(Int32(UInt8(ascii: "M"))) ?? PostgresError.message(of: connection)) + detail
        serverMessage = Redaction.clean(message)
        table = field(Int32(UInt8(ascii: "t")))
        column = field(Int32(UInt8(ascii: "c")))
        constraint = field(Int32(UInt8(ascii: "n")))
        isConnectionLost = unsafe PQstatus(connection) != CONNECTION_OK
        localFailure = nil
        session = unsafe (
            PQuser(connection).map { unsafe String(cString: $0) } ?? "",
            PQdb(connection).map { unsafe String(cString: $0) } ?? ""
        )
    }

    /// What libpq says about a connection (PQerrorMessage), on one line.
    static func message(of connection: OpaquePointer) -> String {
        let text = unsafe PQerrorMessage(connection).map { unsafe String(cString: $0) } ?? ""
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("LOCATION:") }
        return lines.map { $0.drop(while: \.isWhitespace) }.joined(separator: "; ")
    }

    /// What to do about it, by SQLSTATE and its class (PostgreSQL, appendix A): the one place where this is decided.
    package var disposition: Disposition {
        guard let sqlstate else { return localFailure == nil ? .wait : .refused }
        // What COPY says of a malformed binary field ("insufficient data left in message"); the connection is fine.
        if sqlstate == "08P01", !isConnectionLost { return .rejectRow }
        return Self.dispositions[sqlstate] ?? Self.dispositions[String(sqlstate.prefix(2))] ?? .refused
    }

    /// A code of its own goes before its class; what is in neither needs a person.
    private static let dispositions: [String: Disposition] = [
        "08": .wait,  // connection exception
        "21": .rejectRow,  // cardinality violation
        "22": .rejectRow,  // data exception
        "23": .rejectRow,  // integrity constraint violation
        "25": .wait,  // invalid transaction state, among them a read-only server
        "40": .wait,  // transaction rollback
        "40001": .retry,  // serialization failure
        "40P01": .retry,  // deadlock
        "44": .rejectRow,  // WITH CHECK OPTION violation
        "53": .wait,  // insufficient resources
        "53200": .split,  // out of memory
        "54000": .rejectRow,  // program limit exceeded, such as the size of an index row
        "54001": .rejectRow,  // statement too complex, such as a document nested too deep
        "55": .wait,  // object not in prerequisite state, among them locks
        "57": .wait,  // operator intervention
        "57014": .split,  // statement time-out
        "58": .wait,  // system error outside PostgreSQL
        "P0": .rejectRow,  // a trigger raised it
        "XX": .wait,  // internal error
    ]

    /// Whether a unique constraint refused the row.
    package var isUniqueViolation: Bool { sqlstate == "23505" }
    /// Whether password or role were refused, or no password is known.
    package var isRefusedCredentials: Bool {
        sqlstate.map { $0.hasPrefix("28") } ?? (localFailure == .credentials)
    }
    /// Whether the role lacks a right (42501, insufficient_privilege).
    package var isMissingRight: Bool { sqlstate == "42501" }
    /// Whether the database does not exist.
    package var isUnknownDatabase: Bool { sqlstate == "3D000" }
}

extension PostgresError: CustomStringConvertible {
    /// Operation, condition, and what the server named; the server's words only where they cannot quote a row.
    package var description: String {
        guard let sqlstate else { return "\(operation): \(serverMessage)" }
        var text = "\(operation): \(condition)"
        if [.wait, .split, .refused].contains(disposition) { text += ": \(serverMessage)" }
        for (name, value) in [("table", table), ("column", column), ("constraint", constraint)] {
            if let value { text += ", \(name) \(value)" }
        }
        return sqlstate == condition ? text : text + " (SQLSTATE \(sqlstate))"
    }

    /// The condition's name in PostgreSQL's appendix A for those that a loader meets, else the SQLSTATE itself.
    package var condition: String {
        guard let sqlstate else { return "connection_failure" }
        return Self.conditions[sqlstate] ?? sqlstate
    }

    private static let conditions = [
        "08000": "connection_exception", "08003": "connection_does_not_exist", "08006": "connection_failure",
        "08P01": "protocol_violation", "21000": "cardinality_violation", "22001": "string_data_right_truncation",
        "22003": "numeric_value_out_of_range", "22007": "invalid_datetime_format", "22008": "datetime_field_overflow",
        "22021": "character_not_in_repertoire", "22P02": "invalid_text_representation",
        "22P03": "invalid_binary_representation", "22P05": "untranslatable_character",
        "23502": "not_null_violation", "23503": "foreign_key_violation", "23505": "unique_violation",
        "23514": "check_violation", "25006": "read_only_sql_transaction", "25P02": "in_failed_sql_transaction",
        "25P03": "idle_in_transaction_session_timeout", "28000": "invalid_authorization_specification",
        "28P01": "invalid_password", "3D000": "invalid_catalog_name", "40001": "serialization_failure",
        "40P01": "deadlock_detected", "42501": "insufficient_privilege", "42703": "undefined_column",
        "42P01": "undefined_table", "42P07": "duplicate_table", "53100": "disk_full", "53200": "out_of_memory",
        "53300": "too_many_connections", "54000": "program_limit_exceeded", "54001": "statement_too_complex",
        "55P03": "lock_not_available", "57014": "query_canceled", "57P01": "admin_shutdown",
        "57P02": "crash_shutdown", "57P03": "cannot_connect_now", "58030": "io_error", "P0001": "raise_exception",
    ]
}
