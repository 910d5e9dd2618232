import ArgumentParser
import Core
import KafkaClient
import Logging

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Loads until SIGTERM or SIGINT.",
        discussion: """
            Needs the tables of `tweet-loader migrate`. Starts where PostgreSQL says, not where Kafka's group stands. \
            SIGTERM finishes the batch in hand, leaves the group and ends with 0; a second one ends at once, and as \
            safely: what is not committed comes again.

              tweet-loader run --kafka broker:9092 --database postgresql://tweets@db.example/tweets
              tweet-loader run --max-rows 20000 --max-age 1s     fewer, larger transactions
              tweet-loader run -X security.protocol=sasl_ssl     any librdkafka property
            """)

    @OptionGroup var database: SettingFlags<DatabaseSettings>
    @OptionGroup var kafka: SettingFlags<KafkaSettings>
    @OptionGroup var loader: SettingFlags<LoadingSettings>
    @OptionGroup var common: SettingFlags<CommonSettings>

    func run() throws {
        Service.blockSignals()
        try runCommand {
            var reader = try SettingsReader(
                flags: flags(database.values, kafka.values, loader.values, common.values),
                known: LoaderSettings.known)
            let settings = try LoaderSettings(&reader)
            CommonSettings.startLogging(&reader)
            try reader.finish()
            try runLoader(settings)
        }
    }
}

/// Runs the loader's loop on a thread of its own until a signal ends it.
func runLoader(_ settings: LoaderSettings) throws {
    let logger = Logger(label: "tweet-loader")
    // A property that librdkafka does not know shall be told at once, not after PostgreSQL is back.
    _ = try KafkaConsumer(settings.kafka, group: settings.group, topics: [], logger: logger)
    let stop = Stop()
    let intakeHeart = Heartbeat()
    // libpq looks names up, and librdkafka asks for offsets, in calls of some seconds.
    let loop = Service.Loop("loader", bound: .seconds(30), helper: ("intake", intakeHeart)) {
        try Loader(settings, stop: stop, logger: logger, intakeHeart: intakeHeart).run()
    }
    try Service.run([loop], stop: stop, drain: settings.drain, logger: logger)
}
