import ArgumentParser
import Core
import KafkaClient
import LogShipping
import Postgres
import TweetFormat

package struct TweetLoaderCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tweet-loader",
        abstract: "Load tweets from Kafka into PostgreSQL, each exactly once.",
        discussion: """
            Rows, rejects, the ledger and Kafka's offsets are committed in one transaction. Several loaders of one group \
            share the partitions. During an outage of PostgreSQL or Kafka the loader retries. An invalid row becomes a reject \
            with its bytes and the reason.

              export DATABASE_URL=postgresql://tweets@localhost/tweets
              tweet-loader migrate          creates the tables
              tweet-loader run              loads until SIGTERM
              tweet-loader status           shows lag, rate and rejects
              tweet-loader top              watches both services on a terminal
              tweet-loader health           asks the running loader of this host how it is
              tweet-loader verify           reports missing lines
              tweet-loader explain ID       shows the whole way of one tweet
              tweet-loader rejects list     lists messages that did not become rows
              tweet-loader export           writes tweets to files for analysis
              tweet-loader console          shows the archive and its state as web pages
              tweet-loader retention        drops old months
              tweet-loader forget           dismisses unused topics and journals

            Exit status: 0 done, 1 check failed, 64 usage, 65 lines are missing, 69 unavailable, 77 credentials rejected, 78 invalid settings.
            """,
        version: versionText([kafkaLibrary, postgresLibrary, jsonLibrary, shippingLibrary]),
        subcommands: [
            RunCommand.self, MigrateCommand.self, StatusCommand.self, TopCommand.self, VerifyCommand.self,
            ExplainCommand.self, RejectsCommand.self, ExportCommand.self, ConsoleCommand.self, RetentionCommand.self,
            ForgetCommand.self, DoctorCommand.self, HealthCommand.self, MetricsCommand.self,
            LogsCommand<LoaderSettings>.self, ConfigCommand<LoaderSettings>.self,
        ]
    )

    /// Required by the argument parser.
    package init() {}

    package static func main() {
        suggestSubcommand()
        main(nil)
    }
}
