import ArgumentParser
import Core
import KafkaClient
import Logging
import XAPI

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Hold X's filtered stream and publish every tweet to Kafka.",
        discussion: """
            A line from X counts as received when the journal has it on disk. From there it is published, in batches, \
            to the topic (tweets) and TOPIC.events (everything else), and again after a crash until Kafka has \
            acknowledged it. When Kafka is away the journal grows; when X is away the connection is made again by \
            X's own rules. Both are told once in the log.

            The bearer token comes from X_BEARER_TOKEN or, better, from the file named by X_BEARER_TOKEN_FILE, which \
            is read again at every connection: a refused token (401, 403) from the file is waited for until the file \
            has another, one from the environment ends the service with 77.

            One process a host reads with a credential (an enterprise plan: one a stream); a second one ends with 75 \
            and says who does. Connection attempts are counted over restarts, at most 40 in 15 minutes. A connection of \
            ours that X still holds after a crash is looked up and closed; others are left alone.

            Rules are managed with `tweet-producer rules`. While there are none (409) the service waits, with one \
            warning, and looks again every 30 seconds; with a file of rules (--rules-file) it adds those.

            With a file of rules those at X are compared with it every hour. What is missing or differs, and rules that \
            bring nothing for a week, are warnings in the log and events of the stream; nothing is changed.

            With --max-posts-per-day or --max-posts-per-month reading stops before so many posts came, which the log and \
            the gap ledger say, and goes on with the next day (UTC) or billing cycle. The count survives restarts.

            Each time without connection is a gap (`tweet-producer gaps list`). With an enterprise plan (--plan) gaps are \
            filled by X's backfill or recovery, exactly; otherwise by a search for each rule, approximately, and only as \
            far as --max-repair-posts pays for. X_REPAIR=off leaves them open.

            SIGTERM or SIGINT ends the connection, publishes what is journalled within --drain, and exits 0; what \
            could not be published waits in the journal for the next start. A second signal leaves at once, safely.

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

    /// The settings of `run` about rules: without the price, which only estimates need.
    enum WatchFlags: SettingGroup {
        static let settings = RuleWatchSettings.settings.filter { $0.environment != PostPrice.setting.environment }
    }

    func run() throws {
        try runCommand {
            Service.blockSignals()
            joinFreedMemory()
            let given = flags(
                common.values, x.values, stream.values, kafka.values, journal.values, producer.values, rules.values)
            var reader = try SettingsReader(flags: given, known: ProducerSettings.known)
            let settings = ProducerSettings(&reader)
            CommonSettings.startLogging(&reader)
            try reader.finish()
            let stop = Stop()
            try Producer(settings: settings, stop: stop, logger: Logger(label: "tweet-producer")).run()
        }
    }
}
