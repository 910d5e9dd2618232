import ArgumentParser
import PipelineKit

struct MigrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Creates the tables, or brings them to this program's version.",
        discussion: """
            Everything happens in one transaction; a second run changes nothing. The owner of the database can do it, \
            no superuser is needed. PostgreSQL 14 or newer.

              tweet-loader migrate --database postgresql://tweets@localhost/tweets
              tweet-loader migrate --payload json      keeps the raw line as json instead of jsonb
            """)

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var common: CommonOptions

    @Option(
        help: ArgumentHelp(
            "Type of the column for the raw line: jsonb or json (PAYLOAD; default jsonb).", valueName: "mode"))
    var payload: String?

    func run() throws {
        try runCommand {
            var flags = database.flags.merging(common.flags) { $1 }
            flags["PAYLOAD"] = payload
            var reader = try SettingsReader(flags: flags, configFile: common.config, known: knownSettings)
            let conninfo = try DatabaseOptions.conninfo(&reader)
            let mode = reader.choice(LoaderOptions.payload, default: PayloadMode.jsonb)
            try common.startLogging(&reader)
            try reader.finish()
            print(try migrate(conninfo, payload: mode))
        }
    }
}

/// Brings the database to this program's schema and the payload column to its type; returns what was done.
func migrate(_ conninfo: PostgresConninfo, payload: PayloadMode) throws -> String {
    do {
        var conninfo = conninfo
        // A large table takes its time, and a person waits.
        conninfo.statementTimeout = nil
        let connection = try PostgresConnection.connect(conninfo)
        var done =
            switch try Migration.apply(to: connection) {
            case .created(let version): "created the schema, version \(version)"
            case .migrated(let old, let new): "brought the schema from version \(old) to \(new)"
            case .unchanged(let version): "nothing to do: the schema has version \(version)"
            }
        if let wanted = payload.columnType, let sql = payload.alterSQL {
            let found = try connection.query(PayloadMode.columnTypeSQL, doing: "look at the payload column")
            if found.rowCount == 1, found.text(0, 0) != wanted {
                try connection.execute(sql, doing: "change the payload column")
                done += "\ntweets.payload is \(wanted) now"
            }
        }
        return done
    } catch let error as PostgresError {
        throw Failure(refusal: error, conninfo)
    }
}
