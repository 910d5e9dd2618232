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
              tweet-loader run --writers 4                       one transaction a writer at once
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

/// Runs the writers on threads of their own until a signal ends them.
func runLoader(_ settings: LoaderSettings) throws {
    let logger = Logger(label: "tweet-loader")
    let writers = try Writers(settings, logger: logger)
    let stop = Stop()
    try Service.run(writers.loops(stop), stop: stop, drain: settings.drain, logger: logger)
}
