import ArgumentParser
import Core
import KafkaClient
import Postgres
import TweetFormat

package struct TweetLoaderCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tweet-loader",
        abstract: "Loads tweets from Kafka into PostgreSQL, each exactly once.",
        discussion: """
            Rows, rejects, the ledger and Kafka's offsets are committed in one transaction. Several loaders of one group \
            share the partitions. An outage of PostgreSQL or Kafka is waited out; a bad row becomes a reject with its \
            bytes and the reason.

              export DATABASE_URL=postgresql://tweets@localhost/tweets
              tweet-loader migrate          creates the tables
              tweet-loader run              loads until SIGTERM
              tweet-loader status           how far, how fast, what was rejected
              tweet-loader verify           is anything missing, and what
              tweet-loader explain ID       the whole way of one tweet
              tweet-loader rejects list     what did not become a row, and why
              tweet-loader retention        drops old months
              tweet-loader forget           dismisses topics and journals that nothing uses

            Exit status: 0 done, 64 usage, 65 numbers are missing, 69 unavailable, 77 refused credentials, 78 settings.
            """,
        version: versionText([kafkaLibrary, postgresLibrary, jsonLibrary]),
        subcommands: [
            RunCommand.self, MigrateCommand.self, StatusCommand.self, VerifyCommand.self, ExplainCommand.self,
            RejectsCommand.self, RetentionCommand.self, ForgetCommand.self, ConfigCommand.self,
        ]
    )

    /// Required by the argument parser.
    package init() {}

    package static func main() {
        suggestSubcommand()
        main(nil)
    }
}
