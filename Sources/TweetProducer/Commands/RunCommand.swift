import ArgumentParser
import Core
import Journal
import KafkaClient
import LogShipping
import Logging
import Operations
import Publishing
import XAPI

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Read a stream of X and publish it to Kafka.",
        discussion: """
            A line from X counts as received when it is durable in the journal. From there it is published, in batches, \
            to the topic (tweets) and TOPIC.events (everything else), and again after a crash until Kafka has \
            acknowledged it. While Kafka is unreachable the journal grows; while X is unreachable the producer \
            reconnects by X's rules. Each outage is logged once, when it begins and when it ends.

            The bearer token comes from X_BEARER_TOKEN or, better, from the file named by X_BEARER_TOKEN_FILE, which \
            is read for every connection. When X rejects a token (401, 403) from the file, the producer waits for \
            a different one in the file; a rejected token from the environment ends the service with 77.

            One process per host uses a credential (with an enterprise plan: one per stream); a second one ends with 75 \
            and names the first. Connection attempts are limited to 40 in 15 minutes, counted across restarts. After a \
            crash the producer closes its own connection that X still holds, and no others.

            Manage rules with `tweet-producer rules`. Without rules (409) the service logs one warning and \
            retries every 30 seconds; with a rules file (--rules-file) it adds the rules of the file.

            With an enterprise account --x-stream sample reads 1 % of all posts, and --x-stream sample10 with --x-partition 1 \
            or 2 one half of 10 %. A sample has no rules. Give each stream a name of its own (--stream).

            With a rules file the rules at X are compared with it every 5 minutes (X_RULES_CHECK). Differences, and rules \
            without a matching post for a week, are logged and recorded as events; nothing is changed. The accounts that \
            filters follow are read again after a day, and the rules of these filters changed (X_FOLLOWING_REFRESH).

            With --max-posts-per-day or --max-posts-per-month reading stops before that limit, which the log and the gap \
            ledger record, and continues with the next day (UTC) or billing cycle. The count survives restarts.

            Each period without a connection is a gap (`tweet-producer gaps list`). With an enterprise plan (--plan) gaps are \
            filled by X's backfill or recovery, exactly; otherwise by a search for each rule, approximately, for at most \
            --max-repair-posts posts a day. X_REPAIR=off leaves them open.

            SIGTERM or SIGINT ends the connection, publishes what is journalled within --drain, and exits 0; what \
            could not be published stays in the journal for the next start. A second signal ends at once, safely.

            Example:
              X_BEARER_TOKEN_FILE=/run/secrets/x-token tweet-producer run --kafka broker:9092 --journal /var/lib/tweets
            """)

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup(title: "X") var x: SettingFlags<XSettings>
    @OptionGroup(title: "Stream") var stream: SettingFlags<StreamSettings>
    @OptionGroup(title: "Kafka") var kafka: SettingFlags<KafkaSettings>
    @OptionGroup(title: "Journal") var journal: SettingFlags<JournalSettings>
    @OptionGroup(title: "Producer") var producer: SettingFlags<PublishingSettings>
    @OptionGroup(title: "Rules") var rules: SettingFlags<WatchFlags>
    @OptionGroup(title: "Metrics and health") var listening: SettingFlags<ListeningSettings>

    /// The settings of `run` about rules: X's prices have no flags here, as all commands share them.
    enum WatchFlags: SettingGroup {
        private static let prices = [PostPrice.setting.environment, UserPrice.setting.environment]
        static let settings = RuleWatchSettings.settings.filter { !prices.contains($0.environment) }
    }

    func run() throws {
        try runCommand {
            Service.prepareProcess()
            let given = flags(
                common.values, x.values, stream.values, kafka.values, journal.values, producer.values, rules.values,
                listening.values)
            var reader = try SettingsReader(flags: given, known: ProducerSettings.known)
            let settings = ProducerSettings(&reader)
            let applied = AppliedSettings(path: reader.filePath)
            CommonSettings.startLogging(&reader)
            let counts = ShippingCounts()
            try LogShipping.during(settings.logs, service: ProducerSettings.program, counts: counts) {
                try reader.finish()
                try Self.serve(settings, applied, price: PostPrice.read(&reader), shipping: counts)
            }
        }
    }

    /// Runs the service, and answers requests about it from its start to its end.
    private static func serve(
        _ settings: ProducerSettings, _ applied: AppliedSettings?, price: PostPrice, shipping: ShippingCounts
    ) throws {
        let logger = Logger(label: "tweet-producer")
        let health = ServiceHealth(startsWith: ["journal"])
        let metrics = ProducerMetrics(
            health: health, mostTags: settings.listen == nil ? 0 : settings.mostTags, shipping: shipping)
        metrics.posts.price.set(price.dollars)
        let judge = ProducerHealth(
            metrics: metrics, limits: settings.health, stallTimeout: settings.stream.stallTimeout,
            repairsGaps: settings.stream.repair.isAutomatic, watchesLoaders: settings.loaderGroup != nil)
        let endpoints = OperationsEndpoints(
            service: "tweet-producer", registry: metrics.registry, health: health, judge: judge.checks)
        health.summarize { ProducerHealth.line(endpoints.report().headline, metrics.stream.role.value) }
        let server = try OperationsServer.start(settings.listen, endpoints, logger: logger)
        defer { server?.stop() }
        try Producer(
            settings: settings, applied: applied, stop: Stop(), logger: logger, metrics: metrics, health: health
        ).run()
    }
}
