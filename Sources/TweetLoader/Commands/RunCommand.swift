import ArgumentParser
import Core
import KafkaClient
import LogShipping
import Logging
import Operations
import Postgres

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
              tweet-loader run --writers 4                       one transaction a writer at once
              tweet-loader run -X security.protocol=sasl_ssl     any librdkafka property
            """)

    @OptionGroup var database: SettingFlags<DatabaseSettings>
    @OptionGroup var kafka: SettingFlags<KafkaSettings>
    @OptionGroup var loader: SettingFlags<LoadingSettings>
    @OptionGroup(title: "Metrics and health") var listening: SettingFlags<ListeningSettings>
    @OptionGroup var common: SettingFlags<CommonSettings>

    func run() throws {
        Service.prepareProcess()
        try runCommand {
            var reader = try SettingsReader(
                flags: flags(database.values, kafka.values, loader.values, listening.values, common.values),
                known: LoaderSettings.known)
            let settings = try LoaderSettings(&reader)
            CommonSettings.startLogging(&reader)
            let counts = ShippingCounts()
            try LogShipping.during(settings.logs, service: LoaderSettings.program, counts: counts) {
                try reader.finish()
                try runLoader(settings, shipping: counts)
            }
        }
    }
}

/// Runs the writers on threads of their own until a signal ends them, and answers requests about them meanwhile.
///
/// - Parameters:
///   - settings: of the service.
///   - shipping: what is counted of log shipping.
/// - Throws: what ends the service.
func runLoader(_ settings: LoaderSettings, shipping: ShippingCounts) throws {
    let logger = Logger(label: "tweet-loader")
    let health = ServiceHealth(startsWith: ["settings"])
    let metrics = LoaderMetrics(health: health, shipping: shipping)
    let endpoints = OperationsEndpoints(
        service: "tweet-loader", registry: metrics.registry, health: health,
        judge: LoaderHealth(metrics: metrics, limits: settings.health).checks)
    health.summarize { endpoints.report().headline }
    let server = try OperationsServer.start(settings.listen, endpoints, logger: logger)
    defer { server?.stop() }
    let writers = try Writers(settings, logger: logger, metrics: metrics)
    let stop = Stop()
    var loops = writers.loops(stop)
    health.done("settings")
    // Without a server nobody reads what it asks for.
    if server != nil {
        loops.append(
            Service.Loop("facts", bound: .seconds(600)) {
                var facts = LoaderFacts(settings, metrics, stop: stop, logger: logger)
                facts.run()
            })
    }
    try Service.run(loops, stop: stop, drain: settings.drain, logger: logger, health: health)
}
