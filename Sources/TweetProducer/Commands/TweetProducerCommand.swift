import ArgumentParser
import Core
import Digests
import HTTP
import KafkaClient
import TweetFormat

package struct TweetProducerCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tweet-producer",
        abstract: "Reads X's filtered stream into a journal and publishes it to Kafka.",
        discussion: """
            The service is `run`. Everything it takes as a flag can also be set in the environment or in a settings \
            file (--config); flags win over the environment, the environment over the file.

            Results go to standard output, logs to standard error.
            Exit status: 0 done, 64 usage, 65 bad data, 69 service unavailable, 74 disk, 75 try again later, \
            77 refused credentials, 78 bad settings.
            """,
        version: versionText([kafkaLibrary, httpLibrary, jsonLibrary] + digestLibraries),
        subcommands: [
            RunCommand.self, RulesCommand.self, GapsCommand.self, UsageCommand.self, JournalCommand.self,
            ReplayCommand.self, ConfigCommand.self,
        ])

    /// Required by the argument parser.
    package init() {}

    package static func main() {
        suggestSubcommand()
        main(nil)
    }
}
