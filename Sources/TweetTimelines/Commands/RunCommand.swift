import ArgumentParser
import Core
import Journal
import KafkaClient
import LogShipping
import Logging
import Operations
import Postgres
import Publishing

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Read the timelines of all accounts and publish them to Kafka.",
        discussion: """
            Each timeline is read once in TIMELINE_INTERVAL, and less often while it has no new posts. A post counts as received \
            when it is durable in the journal; only then the mark in PostgreSQL moves. From the journal it is published to the \
            topic, where `tweet-loader run` takes it. Several of these processes, on several hosts, share the accounts: no \
            account is read twice at once.

            X charges for posts, and not for empty answers. --posts-per-day limits each account, --max-posts-per-day and \
            --max-posts-per-month all of them. A usage cap or missing credits stop all calls, with one error in the log.

            SIGTERM or SIGINT ends the calls, publishes what is journalled within --drain, and exits 0.

            Example:
              tweet-timelines run --kafka broker:9092 --journal /var/lib/tweets --max-posts-per-day 50000

            Exit status: 0 done; 69 Kafka is unreachable; 74 the journal cannot be used; 75 another process has the journal; \
            77 credentials rejected; 78 invalid settings, or the key is not that of the stored tokens.
            """)

    @OptionGroup(title: "Timelines") var reading: SettingFlags<ReadingSettings>
    @OptionGroup(title: "PostgreSQL") var database: SettingFlags<DatabaseSettings>
    @OptionGroup(title: "App and tokens") var tokens: SettingFlags<TokenSettings>
    @OptionGroup(title: "Kafka") var kafka: SettingFlags<KafkaSettings>
    @OptionGroup(title: "Journal") var journal: SettingFlags<JournalSettings>
    @OptionGroup(title: "Producer") var publishing: SettingFlags<PublishingFlags>
    @OptionGroup(title: "Metrics and health") var listening: SettingFlags<ListeningSettings>
    @OptionGroup(title: "Common") var common: SettingFlags<CommonSettings>

    /// The settings of publishing, without those that are among `ReadingSettings`.
    enum PublishingFlags: SettingGroup {
        static let settings = TimelinesService.publishing
    }

    func run() throws {
        try runCommand {
            Service.prepareProcess()
            let given = flags(
                reading.values, database.values, tokens.values, kafka.values, journal.values, publishing.values,
                listening.values, common.values)
            var reader = try SettingsReader(flags: given, known: TimelinesService.known)
            let settings = try TimelineSettings(&reader)
            if settings.access.key == nil, reader.string(TokenSettings.keyFile) == nil {
                _ = reader.required(TokenSettings.keyFile, why: "tokens are stored encrypted")
            }
            CommonSettings.startLogging(&reader)
            let counts = ShippingCounts()
            try LogShipping.during(settings.logs, service: TimelinesService.program, counts: counts) {
                try reader.finish()
                try Self.serve(settings, shipping: counts)
            }
        }
    }

    /// Runs the service, and answers requests about it from its start to its end.
    private static func serve(_ settings: TimelineSettings, shipping: ShippingCounts) throws {
        let logger = Logger(label: "tweet-timelines")
        let health = ServiceHealth(startsWith: ["journal"])
        let metrics = TimelineMetrics(health: health, shipping: shipping)
        let judge = TimelineHealth(
            metrics: metrics, limits: settings.health, interval: settings.interval.lowerBound)
        let endpoints = OperationsEndpoints(
            service: "tweet-timelines", registry: metrics.registry, health: health, judge: judge.checks)
        health.summarize { endpoints.report().headline }
        // The schema and the key are checked before anything is begun. The pollers wait for a PostgreSQL that is unreachable.
        do { try settings.access.withTokens { _, _ in } } catch let error as DatabaseError
            where error.disposition == .wait
        {
            logger.error(
                "PostgreSQL is unreachable at the start; timelines are read as soon as it is reachable",
                metadata: ["error": "\(error)"])
        }
        let server = try OperationsServer.start(settings.listen, endpoints, logger: logger)
        defer { server?.stop() }
        try Timelines(settings: settings, stop: Stop(), logger: logger, metrics: metrics, health: health).run()
    }
}
