import ArgumentParser
import Core
import Glibc
import Postgres

struct MigrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Create the tables, or migrate them to this version.",
        discussion: """
            Changes the schema in one transaction; a second run changes nothing. The owner of the database can run it; \
            no superuser is needed. PostgreSQL 14 or newer, a database with the encoding UTF8.

            The column of the raw line, tweets.payload, is jsonb in a new schema, and is not changed in an existing one. --payload \
            (PAYLOAD) changes its type; when tweets are stored already, size and duration are shown first, \
            and the change must be confirmed.

              tweet-loader migrate --database postgresql://tweets@localhost/tweets
              tweet-loader migrate --dry-run           shows the steps
              tweet-loader migrate --payload json      keeps the raw line as json instead of jsonb
              tweet-loader migrate --reader analyst    lets the role analyst read all but tokens, and change nothing

            --reader needs the role to exist; run it again after each migration.

            Exit status: 0 done, or nothing to do; 64 no --yes without a terminal; 69 PostgreSQL is unreachable; 77 \
            credentials rejected, or a privilege is missing; 78 invalid settings, or an unsuitable database.
            """)

    /// What it accepts beside the database's and the common settings.
    enum Flags: SettingGroup {
        static let settings = [LoadingSettings.payload]
    }

    @OptionGroup var database: SettingFlags<DatabaseSettings>
    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup var payload: SettingFlags<Flags>

    @Flag(help: "Show the steps, and change nothing.")
    var dryRun = false

    @Option(help: ArgumentHelp("Role that may read the tables and views afterwards.", valueName: "role"))
    var reader: String?

    @Flag(help: "Rewrite a table with rows without confirmation.")
    var yes = false

    func run() throws {
        try runCommand {
            var reader = try SettingsReader(
                flags: flags(database.values, common.values, payload.values), known: LoaderSettings.known)
            let conninfo = try DatabaseSettings.conninfo(&reader)
            // Without the setting the column stays as it is: the default is that of a new schema.
            let isSet = reader.string(LoadingSettings.payload) != nil
            let mode = isSet ? reader.choice(LoadingSettings.payload, PayloadMode.self) : nil
            CommonSettings.startLogging(&reader)
            try reader.finish()
            print(
                try migrate(
                    conninfo, payload: mode, reader: self.reader, isDryRun: dryRun, isConfirmed: isConfirmed))
        }
    }

    private func isConfirmed(_ question: String) throws -> Bool {
        print(question)
        if yes { return true }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Failure(.usage, "No terminal to confirm on; pass --yes")
        }
        print("Change tweets.payload? [y/N] ", terminator: "")
        fflush(nil)
        return ["y", "yes"].contains(readLine()?.lowercased())
    }
}

/// Brings the database to this program's schema, and the payload column to a type.
///
/// - Parameters:
///   - conninfo: where the database is.
///   - payload: what the payload column becomes; nil leaves it as it is.
///   - reader: a role that may read the tables and views afterwards.
///   - isDryRun: whether to report only what would be done.
///   - isConfirmed: is asked before a table with rows is rewritten, with what that means.
/// - Returns: the database, and what was done.
/// - Throws: `DatabaseError` with what to do.
func migrate(
    _ conninfo: PostgresConninfo, payload: PayloadMode? = nil, reader: String? = nil, isDryRun: Bool = false,
    isConfirmed: (String) throws -> Bool = { _ in true }
) throws -> String {
    do {
        var conninfo = conninfo
        // A large table takes its time, and a person waits.
        conninfo.statementTimeout = nil
        let connection = try PostgresConnection.connect(conninfo)
        var report = ["PostgreSQL at \(connection.place)"]
        report += try DatabaseCheck.run(connection).map { "warning: \($0)" }
        let outlook = try Migration.outlook(on: connection)
        if isDryRun {
            report += try wouldDo(outlook, payload, connection)
            return (report + (reader.map { ["would let \(quotedName($0)) read"] } ?? [])).joined(separator: "\n")
        }
        if case .created = outlook {
        } else if let change = try PayloadChange(to: payload, connection), change.hasRows {
            // Asked before anything is done, and outside of a transaction.
            guard try isConfirmed((report + [change.warning(connection)]).joined(separator: "\n")) else {
                return "nothing was changed"
            }
        }
        report += try bring(connection, payload)
        if let reader { report.append(try ReaderRole.grant(reader, connection)) }
        return report.joined(separator: "\n")
    } catch let error as PostgresError {
        throw DatabaseError(error, conninfo)
    }
}

/// Changes the schema and the payload column; returns what was done.
private func bring(
    _ connection: borrowing PostgresConnection, _ payload: PayloadMode?
) throws -> [String] {
    let outcome = try Migration.apply(to: connection)
    guard let change = try PayloadChange(to: payload, connection) else { return [words(for: outcome)] }
    let begin = ContinuousClock.now
    try change.apply(connection)
    let done = "tweets.payload is \(change.to) now, after \((ContinuousClock.now - begin).short)"
    return outcome == .unchanged(Migration.supported.upperBound) ? [done] : [words(for: outcome), done]
}

private func words(for outcome: Migration.Outcome) -> String {
    switch outcome {
    case .created(let version): "created the schema, version \(version)"
    case .migrated(let old, let new): "migrated the schema from version \(old) to \(new)"
    case .unchanged(let version): "nothing to do: the schema has version \(version)"
    }
}

/// What `migrate` would do, line by line.
private func wouldDo(
    _ outlook: Migration.Outcome, _ payload: PayloadMode?, _ connection: borrowing PostgresConnection
) throws -> [String] {
    switch outlook {
    case .created(let version):
        let column = payload?.columnType.map { ", with tweets.payload as \($0)" } ?? ""
        return ["would create the schema, version \(version)\(column)"]
    case .migrated(let old, let new):
        let steps = (old + 1...new).map { "would run sql/migrations/\(fourDigits($0)).sql" }
        return steps + (try payloadLines(payload, connection))
    case .unchanged(let version):
        let lines = try payloadLines(payload, connection)
        return lines.isEmpty ? ["nothing to do: the schema has version \(version)"] : lines
    }
}

private func payloadLines(
    _ payload: PayloadMode?, _ connection: borrowing PostgresConnection
) throws -> [String] {
    guard let change = try PayloadChange(to: payload, connection) else { return [] }
    return [try change.warning(connection)]
}

private func fourDigits(_ number: Int) -> String {
    String(repeating: "0", count: max(0, 4 - String(number).count)) + String(number)
}
