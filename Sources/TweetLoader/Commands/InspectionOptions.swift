import ArgumentParser
import Core
import KafkaClient
import Postgres

/// What the commands have in common that ask PostgreSQL.
struct DatabaseCommandOptions: ParsableArguments {
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var common: CommonOptions

    @Flag(help: "JSON instead of text.")
    var json = false

    /// Reads the settings, with further flags by environment name.
    func read<Settings>(
        flags: [String: String] = [:], _ body: (inout SettingsReader) throws(Failure) -> Settings
    ) throws -> Settings {
        let all = [database.flags, common.flags, flags].reduce([:]) { $0.merging($1) { _, new in new } }
        var reader = try SettingsReader(flags: all, configFile: common.config, known: knownSettings)
        let settings = try body(&reader)
        try common.startLogging(&reader)
        try reader.finish()
        return settings
    }

    /// Where PostgreSQL is.
    func conninfo() throws -> PostgresConninfo {
        try read { reader throws(Failure) in try DatabaseOptions.conninfo(&reader) }
    }

    /// Prints a report as the user wants it.
    func show(_ report: some Report) {
        print(json ? report.json() : report.text)
    }
}

/// What the commands have in common that ask PostgreSQL and Kafka.
struct InspectionOptions: ParsableArguments {
    @OptionGroup var base: DatabaseCommandOptions
    @OptionGroup var kafka: KafkaOptions

    @Option(help: ArgumentHelp("Kafka's consumer group (KAFKA_GROUP; default tweet-loader).", valueName: "name"))
    var group: String?

    /// The settings of a loader that only looks.
    func settings() throws -> LoaderSettings {
        let flags = kafka.flags.merging(["KAFKA_GROUP": group].compactMapValues { $0 }) { $1 }
        return try base.read(flags: flags) { reader throws(Failure) in
            try LoaderSettings(LoaderOptions(), kafka, &reader)
        }
    }
}

/// Runs a command's work on one connection; what PostgreSQL refuses ends the command.
func onDatabase<Result>(
    _ conninfo: PostgresConninfo, role: PostgresConnection.Role,
    _ work: (borrowing PostgresConnection) throws -> Result
) throws -> Result {
    var conninfo = conninfo
    // A person waits, and large tables take their time.
    conninfo.statementTimeout = .seconds(600)
    do {
        let connection = try PostgresConnection.connect(conninfo, role: role)
        if role == .writer { _ = try DatabaseSettings.check(connection) }
        try Migration.check(connection)
        return try work(connection)
    } catch let error as PostgresError {
        throw Failure(refusal: error, conninfo)
    }
}
