internal import CPostgres
import Core

extension PostgresConnection {
    /// Host, port and database of this connection, without user and password.
    package var place: String {
        func text(_ value: UnsafeMutablePointer<CChar>?) -> String {
            unsafe value.map { unsafe String(cString: $0) } ?? ""
        }
        return unsafe "\(text(PQhost(handle))) port \(text(PQport(handle))) database \(text(PQdb(handle)))"
    }

    /// Sets what this program depends on, bounds what a vanished client may hold on the server, and leaves a server that does
    /// not play `role`.
    ///
    /// A role, a database and a configuration file may set every one of these (`ALTER ROLE … SET`); what they say must not
    /// change what is stored or read. A `lock_timeout` is left alone: a lock that is held is retried until it is free.
    func prepareSession(_ role: Role) throws(PostgresError) {
        let timeout = statementTimeout?.milliseconds ?? 0
        try execute(
            """
            SET statement_timeout = \(timeout); SET idle_session_timeout = 0;
            SET idle_in_transaction_session_timeout = '10s'; SET standard_conforming_strings = on;
            SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
            """, doing: "prepare session")
        // A setting that this server's version does not have is passed over, as is a value that it was built without.
        _ = try query(
            """
            SELECT set_config(s.name, wanted.value, false)
            FROM unnest($1::text[], $2::text[]) AS wanted (name, value) JOIN pg_settings s USING (name)
            WHERE s.setting IS DISTINCT FROM wanted.value AND coalesce(wanted.value = ANY (s.enumvals), true)
            """, [arrayLiteral(SessionSettings.own.map(\.0)), arrayLiteral(SessionSettings.own.map(\.1))],
            doing: "prepare session")
        if role == .writer { try requireWriter() }
    }

    /// - Throws: `PostgresError` (25006) on a standby, and where transactions are read-only by a setting, which is named.
    private func requireWriter() throws(PostgresError) {
        let answer = try query(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean", doing: "check role")
        if answer.text(0, 0) == "f", answer.text(0, 1) == "f" { return }
        var message = "the server is a standby or read-only"
        if answer.text(0, 0) == "f", let found = try setting("default_transaction_read_only") {
            message = "default_transaction_read_only is \(found.value), set by \(found.source)"
        }
        throw PostgresError("connect", sqlstate: "25006", message: message, isConnectionLost: true)
    }

    /// A setting's value in this session, and who set it; nil when this server has no such setting.
    package func setting(_ name: String) throws(PostgresError) -> (value: String, source: String)? {
        let answer = try query(
            "SELECT setting, source, sourcefile FROM pg_settings WHERE name = $1", [name], doing: "look at a setting")
        guard answer.rowCount == 1 else { return nil }
        let source = SessionSettings.source(answer.text(0, 1) ?? "", file: answer.text(0, 2))
        return (answer.text(0, 0) ?? "", source)
    }

    /// Settings that this session cannot change, or should not, and that weaken what the project promises.
    package func findings() throws(PostgresError) -> [SessionFinding] {
        let answer = try query(
            """
            SELECT s.name, s.setting, s.source, s.sourcefile
            FROM unnest($1::text[], $2::text[]) AS harmful (name, value)
            JOIN pg_settings s ON s.name = harmful.name AND s.setting = harmful.value ORDER BY s.name
            """,
            [arrayLiteral(SessionSettings.harmful.map(\.name)), arrayLiteral(SessionSettings.harmful.map(\.value))],
            doing: "look at the settings")
        return answer.rows.compactMap { row in
            guard let harm = SessionSettings.harmful.first(where: { $0.name == row[0] }) else { return nil }
            return SessionFinding(
                name: harm.name, value: row[1] ?? "", source: SessionSettings.source(row[2] ?? "", file: row[3]),
                consequence: harm.consequence, isError: harm.isError)
        }
    }
}

/// A setting of a role, a database or the server that weakens what the project promises.
package struct SessionFinding: Sendable, Equatable, CustomStringConvertible {
    package let name: String
    package let value: String
    /// Who set it, for instance `ALTER ROLE … SET`.
    package let source: String
    package let consequence: String
    /// Whether results would be wrong, so that nothing may be written.
    package let isError: Bool

    package var description: String { "\(name) is \(value), set by \(source): \(consequence)" }
}

/// Settings that a session sets, and those that it only checks.
private enum SessionSettings {
    /// Settings that any role may change, with the values that the statements of this project are written for.
    static let own: [(String, String)] = [
        // How values are read and written as text.
        ("DateStyle", "ISO, MDY"), ("IntervalStyle", "postgres"), ("TimeZone", "UTC"),
        ("timezone_abbreviations", "Default"), ("bytea_output", "hex"), ("extra_float_digits", "1"),
        ("array_nulls", "on"), ("transform_null_equals", "off"), ("backslash_quote", "safe_encoding"),
        ("escape_string_warning", "off"), ("quote_all_identifiers", "off"), ("xmloption", "content"),
        ("xmlbinary", "base64"),
        // How transactions behave: rows are isolated by savepoints, and a batch is one plain transaction.
        ("default_transaction_isolation", "read committed"), ("default_transaction_deferrable", "off"),
        ("exit_on_error", "off"), ("transaction_timeout", "0"),
        // What statements can see: an error is better than rows that are left out silently.
        ("row_security", "off"), ("gin_fuzzy_search_limit", "0"), ("restrict_nonsystem_relation_kind", ""),
        // How wide rows are packed, other than by a column's own method: pglz takes several times as long.
        ("default_toast_compression", "lz4"),
        // Compiling a statement over hundreds of monthly tables takes seconds, and running it milliseconds.
        ("jit", "off"),
    ]

    /// Values that are harmful, and why. A missing member is a performance matter, or the operator's choice.
    static let harmful: [(name: String, value: String, consequence: String, isError: Bool)] = [
        (
            "session_replication_role", "replica",
            "triggers do not fire, so past states of users would not be kept; reset it, only a superuser can", true
        ),
        (
            "synchronous_commit", "off",
            "a crash of the server may undo batches that count as loaded; they are loaded again only while Kafka has them",
            false
        ),
        ("fsync", "off", "a crash of the server's machine may destroy the database", false),
        ("full_page_writes", "off", "a crash of the server's machine may damage the database", false),
        ("zero_damaged_pages", "on", "PostgreSQL replaces damaged pages by empty ones", false),
        ("ignore_checksum_failure", "on", "PostgreSQL reads damaged pages as if they were good", false),
    ]

    /// A source of `pg_settings` in the words of the statement that made it.
    static func source(_ source: String, file: String?) -> String {
        switch source {
        case "database": "ALTER DATABASE ... SET"
        case "user": "ALTER ROLE ... SET"
        case "database user": "ALTER ROLE ... IN DATABASE ... SET"
        case "global": "ALTER ROLE ALL SET"
        case "client": "the connection string (options) or PGOPTIONS"
        // Only members of pg_read_all_settings see the file's name.
        case "configuration file":
            file.map { "the configuration file \($0)" } ?? "the configuration file or ALTER SYSTEM SET"
        case "command line": "the server's command line"
        case "environment variable": "the server's environment"
        default: "the server's \(source)"
        }
    }
}

/// Tweets are Unicode text: only a database in UTF8 can hold all of them.
package enum DatabaseEncoding {
    /// - Throws: `DatabaseError`, with the command that creates a database in UTF8, unless this database is in UTF8;
    ///   `PostgresError` when it cannot be read.
    package static func check(_ connection: borrowing PostgresConnection) throws {
        let answer = try connection.query(
            """
            SELECT pg_encoding_to_char(encoding), datname, datctype, current_user FROM pg_database
            WHERE datname = current_database()
            """, doing: "look at the database's encoding")
        let encoding = answer.text(0, 0) ?? "unknown"
        guard encoding != "UTF8" else { return }
        let name = answer.text(0, 1) ?? "tweets"
        let locale = (answer.text(0, 2) ?? "").uppercased()
        let fits = ["C", "POSIX"].contains(locale) || locale.hasSuffix("UTF-8") || locale.hasSuffix("UTF8")
        throw DatabaseError(
            .operator(.settings),
            "the database \(name) has the encoding \(encoding); tweets need UTF8, and an encoding cannot be changed\n"
                + "create another one: createdb -E UTF8 -T template0 \(fits ? "" : "--locale=C.UTF-8 ")"
                + "-O \(answer.text(0, 3) ?? "tweets") \(name)_utf8\nand name it in DATABASE_URL (--database)")
    }
}
