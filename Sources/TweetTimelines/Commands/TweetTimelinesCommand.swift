import ArgumentParser
import Core
import Digests
import Glibc
import HTTP
import Journal
import KafkaClient
import LogShipping
import Postgres
import Publishing
import TweetFormat
import XAPI

package struct TweetTimelinesCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tweet-timelines",
        abstract: "Read the home timelines of accounts, and publish them to Kafka.",
        discussion: """
            PostgreSQL holds the accounts and their tokens, encrypted with the key in TIMELINE_KEY_FILE. Applications may \
            add and delete accounts by SQL (docs/timelines.md).

              export DATABASE_URL=postgresql://tweets@localhost/tweets
              export X_CLIENT_ID=… TIMELINE_KEY_FILE=/etc/tweet-pipeline/timelines.key
              tweet-timelines accounts login     logs a user in
              tweet-timelines accounts list      shows accounts and their states
              tweet-timelines run                reads timelines until SIGTERM
              tweet-timelines status             shows lag, posts and dollars of today

            Exit status: 0 done, 64 usage, 65 invalid input, 69 unavailable, 75 try again later, 77 credentials rejected, \
            78 invalid settings.
            """,
        version: versionText([kafkaLibrary, postgresLibrary, jsonLibrary] + digestLibraries + [httpLibrary]),
        subcommands: [
            RunCommand.self, AccountsCommand.self, StatusCommand.self, DoctorCommand.self, HealthCommand.self,
            LogsCommand<TimelinesService>.self, ConfigCommand<TimelinesService>.self, MetricsCommand.self,
        ]
    )

    /// Required by the argument parser.
    package init() {}

    package static func main() {
        forbidCoreFiles()
        suggestSubcommand()
        main(nil)
    }

    /// Tokens and keys are in memory in clear, so no core file may have it (core(5); systemd-coredump(8) keeps none either).
    private static func forbidCoreFiles() {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    }
}

/// The service, as `config show` sees it.
enum TimelinesService: ConfiguredService {
    static let program = "tweet-timelines"
    static let groups: [any SettingGroup.Type] = [
        ReadingSettings.self, DatabaseSettings.self, TokenSettings.self, KafkaSettings.self, JournalSettings.self,
        Publishing.self, PricesOfPosts.self, ListeningSettings.self, LogHTTPSettings.self, CommonSettings.self,
    ]
    /// What `ReadingSettings` has as well is left out.
    static let publishing = PublishingSettings.settings.filter {
        $0.environment != ServiceSettings.drain.environment
    }

    /// How lines are published.
    enum Publishing: SettingGroup {
        static let title = "Publishing"
        static let settings = TimelinesService.publishing
    }

    /// What `status` reckons with.
    enum PricesOfPosts: SettingGroup {
        static let title = "Prices"
        static let settings = [PostPrice.setting]
    }

    static func read(_ reader: inout SettingsReader) throws(SettingsError) { _ = try TimelineSettings(&reader) }
}
