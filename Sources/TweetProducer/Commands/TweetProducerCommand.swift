import ArgumentParser
import Core
import Digests
import HTTP
import KafkaClient
import LogShipping
import TweetFormat

package struct TweetProducerCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tweet-producer",
        abstract: "Read a stream of X into a journal and publish it to Kafka.",
        discussion: """
            The service is `run`. Every flag is also a setting of the environment and of a settings file (--config); \
            flags override the environment, and the environment overrides the file.

            Results go to standard output, logs to standard error.
            Exit status: 0 done, 1 check failed, 2 changes pending, 64 usage, 65 bad data, 69 service unavailable, \
            74 disk, 75 try again later, 77 credentials rejected, 78 invalid settings.
            """,
        version: versionText([kafkaLibrary, httpLibrary, jsonLibrary] + digestLibraries),
        subcommands: [
            RunCommand.self, RulesCommand.self, StreamsCommand.self, GapsCommand.self, UsageCommand.self,
            JournalCommand.self, ReplayCommand.self, DoctorCommand.self, HealthCommand.self, MetricsCommand.self,
            LogsCommand<ProducerSettings>.self, ConfigCommand<ProducerSettings>.self,
        ])

    /// Required by the argument parser.
    package init() {}

    package static func main() {
        suggestSubcommand()
        main(nil)
    }
}
