import Core

/// Runs a command's work on one connection; what PostgreSQL refuses ends the command.
///
/// - Parameters:
///   - conninfo: where PostgreSQL is.
///   - role: what the server must be.
///   - stop: ends every wait for PostgreSQL once it is immediate.
///   - work: what to do.
/// - Returns: what `work` returns.
/// - Throws: `DatabaseError` with what to do; what `work` throws beside `PostgresError`.
package func onDatabase<Result>(
    _ conninfo: PostgresConninfo, role: PostgresConnection.Role, stop: Stop? = nil,
    _ work: (borrowing PostgresConnection) throws -> Result
) throws -> Result {
    var conninfo = conninfo
    // A person waits, and large tables take their time.
    conninfo.statementTimeout = .seconds(600)
    do {
        let connection = try PostgresConnection.connect(conninfo, role: role, stop: stop)
        if role == .writer { _ = try DatabaseCheck.run(connection) }
        try Migration.check(connection)
        return try work(connection)
    } catch let error as PostgresError {
        throw DatabaseError(error, conninfo)
    }
}

/// What must hold of a database before anything is written into it.
package enum DatabaseCheck {
    /// Checks encoding and settings.
    ///
    /// - Returns: settings that weaken the guarantees, and that the operator may have chosen.
    /// - Throws: `DatabaseError` for an encoding other than UTF8, and for a setting that makes results wrong; `PostgresError`.
    package static func run(_ connection: borrowing PostgresConnection) throws -> [SessionFinding] {
        try DatabaseEncoding.check(connection)
        let findings = try connection.findings()
        if let wrong = findings.first(where: \.isError) {
            throw DatabaseError(.operator(.settings), "PostgreSQL: \(wrong)")
        }
        return findings
    }
}

extension DatabaseError {
    /// What a failure of PostgreSQL means for a command, or for the start of a service.
    package init(_ error: PostgresError, _ conninfo: PostgresConninfo) {
        let place = "PostgreSQL at \(conninfo.place)"
        switch error {
        case _ where error.isUnknownDatabase:
            self.init(
                .operator(.settings),
                "\(place): \(error)\ncreate the database (createdb) or correct DATABASE_URL, then run `tweet-loader migrate`"
            )
        case _ where error.isRefusedCredentials:
            self.init(
                .operator(.credentials),
                "\(place): \(error)\ncheck user and password in DATABASE_URL, PGPASSWORD or ~/.pgpass")
        case _ where error.isMissingRight:
            self.init(.operator(.credentials), "\(place): \(error)\n\(Self.grant(for: error))")
        case _ where error.localFailure == .settings:
            self.init(
                .operator(.settings),
                "\(place): \(error)\ncorrect DATABASE_URL (--database), the PG* variable, or the file that it names")
        case _ where error.disposition == .refused:
            self.init(
                .operator(.settings),
                "\(place): \(error)\ncheck that the tables are those that `tweet-loader migrate` creates")
        default:
            self.init(.wait, "\(place): \(error)")
        }
    }

    /// The statement that gives a role the right it lacks. Since PostgreSQL 15 only the owner of a database may create tables
    /// in its schema `public`, and `GRANT ALL ON DATABASE` does not change that.
    private static func grant(for error: PostgresError) -> String {
        let role = quotedName(error.session?.role ?? "ROLE")
        let database = quotedName(error.session?.database ?? "DATABASE")
        if error.serverMessage.contains("for schema") {
            return "as a superuser run: ALTER DATABASE \(database) OWNER TO \(role); "
                + "or, in that database: GRANT CREATE ON SCHEMA public TO \(role)"
        }
        return "\(role) needs the rights of the tables' owner: connect as the owner, or as a superuser run: "
            + "GRANT owner TO \(role)"
    }
}

/// A name as SQL writes it, in quotation marks where it needs them.
package func quotedName(_ name: String) -> String {
    let isPlain =
        name.first.map { !$0.isNumber } ?? false
        && name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "_") }
    if isPlain { return name }
    // By scalar: a quotation mark and a combining mark after it are one `Character`, which is not `"`.
    var quoted = String.UnicodeScalarView()
    for scalar in name.unicodeScalars {
        if scalar == "\"" { quoted.append("\"") }
        quoted.append(scalar)
    }
    return "\"\(String(quoted))\""
}
