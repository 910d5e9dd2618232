import ArgumentParser
import Core
import Postgres

struct RetentionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retention",
        abstract: "Drop old months of tweets.",
        discussion: """
            Detaches and drops whole monthly partitions of tweets and tweet_rules, one month in a transaction, and deletes \
            what belongs to them: edit chains, partial errors, media, polls, and states of users that were replaced \
            before. Users, places and context stay. The month of a tweet is that of its posting: a tweet that was \
            included because a newer one refers to it may be old. Loaders may run meanwhile. For cron:

              tweet-loader retention --keep 12months --dry-run     show what would be dropped
              tweet-loader retention --keep 12months
              tweet-loader retention --keep 2years --json

            Exit status: 0 done, 75 other sessions hold locks: try again later.
            """)

    @Option(
        help: ArgumentHelp("How much to keep beside the current month: 12months, 2years, 90d.", valueName: "time"),
        transform: KeptTime.init(argument:))
    var keep: KeptTime

    @Flag(help: "Show what would be dropped, and change nothing.")
    var dryRun = false

    @OptionGroup var options: DatabaseCommandOptions

    func run() throws {
        try runCommand {
            let report = try onDatabase(try options.conninfo(), role: .writer) { connection in
                try Retention(keep, at: .now(), isDryRun: dryRun).run(connection)
            }
            options.output.show(report)
        }
    }
}
