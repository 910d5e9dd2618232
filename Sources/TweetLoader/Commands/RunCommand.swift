import ArgumentParser
import Core
import KafkaClient
import Logging

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Load the topics until SIGTERM or SIGINT.",
        discussion: """
            Needs the tables of `tweet-loader migrate`. Starts at the offsets in PostgreSQL, not at those of Kafka's group. \
            SIGTERM commits the current batch, leaves the group and ends with 0. A second one ends at once, also \
            safely: uncommitted messages are read again.

              tweet-loader run --kafka broker:9092 --database postgresql://tweets@db.example/tweets
              tweet-loader run --max-rows 20000 --max-age 1s     fewer, larger transactions
              tweet-loader run -X security.protocol=sasl_ssl     any librdkafka property
            """)

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var kafka: KafkaOptions
    @OptionGroup var loader: LoaderOptions
    @OptionGroup var common: CommonOptions

    func run() throws {
        Service.blockSignals()
        try runCommand {
            var reader = try SettingsReader(
                flags: database.flags.merging(kafka.flags) { $1 }.merging(loader.flags) { $1 }
                    .merging(common.flags) { $1 },
                configFile: common.config, known: knownSettings)
            let settings = try LoaderSettings(loader, kafka, &reader)
            try common.startLogging(&reader)
            try reader.finish()
            try runLoader(settings)
        }
    }
}

/// Runs the loader's loop on a thread of its own until a signal ends it.
func runLoader(_ settings: LoaderSettings) throws {
    let logger = Logger(label: "tweet-loader")
    // A property that librdkafka does not know must be reported at once, not after an outage of PostgreSQL.
    _ = try KafkaConsumer(settings.kafka, group: settings.group, topics: [], logger: logger)
    let stop = Stop()
    let intakeHeart = Heartbeat()
    // libpq looks names up, and librdkafka asks for offsets, in calls of some seconds.
    let loop = Service.Loop("loader", bound: .seconds(30), helper: ("intake", intakeHeart)) {
        try Loader(settings, stop: stop, logger: logger, intakeHeart: intakeHeart).run()
    }
    try Service.run([loop], stop: stop, drain: settings.drain, logger: logger)
}
