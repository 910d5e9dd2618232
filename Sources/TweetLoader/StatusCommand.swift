import ArgumentParser
import PipelineKit

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "How far each partition is, how many rows and rejects there are.",
        discussion: """
            PostgreSQL says what is settled, Kafka what is still to come; when Kafka does not answer, the lag is unknown \
            and the rest is shown.

              tweet-loader status
              tweet-loader status --json | jq .lag
            """)

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var kafka: KafkaOptions
    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Kafka's consumer group (KAFKA_GROUP; default tweet-loader).", valueName: "name"))
    var group: String?

    @Flag(help: "One JSON object instead of tables.")
    var json = false

    func run() throws {
        try runCommand {
            let settings = try inspectionSettings(database, kafka, common, group: group)
            let status = try readStatus(settings)
            print(json ? status.json : status.text)
        }
    }
}

/// Settings of the commands that only look.
func inspectionSettings(
    _ database: DatabaseOptions, _ kafka: KafkaOptions, _ common: CommonOptions, group: String?
) throws -> LoaderSettings {
    var flags = database.flags.merging(kafka.flags) { $1 }.merging(common.flags) { $1 }
    flags["KAFKA_GROUP"] = group
    var reader = try SettingsReader(flags: flags, configFile: common.config, known: knownSettings)
    let settings = try LoaderSettings(LoaderOptions(), kafka, &reader)
    try common.startLogging(&reader)
    try reader.finish()
    return settings
}

/// Asks PostgreSQL, then Kafka.
///
/// - Throws: `Failure` when PostgreSQL does not answer; a silent Kafka is part of the answer.
func readStatus(_ settings: LoaderSettings) throws -> LoaderStatus {
    var status = try onDatabase(settings.conninfo, role: .any) { connection in try LoaderStatus(connection) }
    let partitions = status.partitions.map { TopicPartition($0.topic, $0.partition) }
    do {
        status.add(try KafkaEnds(settings.kafka, group: settings.group).read(partitions))
    } catch let error as KafkaError {
        status.kafkaProblem = "\(error)"
    }
    return status
}

/// Runs a command's work on one connection; what PostgreSQL refuses ends the command.
func onDatabase<Result>(
    _ conninfo: PostgresConninfo, role: PostgresConnection.Role,
    _ work: (borrowing PostgresConnection) throws -> Result
) throws -> Result {
    do {
        let connection = try PostgresConnection.connect(conninfo, role: role)
        try Migration.check(connection)
        return try work(connection)
    } catch let error as PostgresError {
        throw Failure(refusal: error, conninfo)
    }
}
