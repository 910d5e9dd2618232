import ArgumentParser
import Core
import Postgres

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show the whole way of one tweet.",
        discussion: """
            When it was received and on which connection, where its line is in the journal and in Kafka, when it was \
            committed, which rules matched, and its versions; or why it was rejected or deleted. For a tweet that is \
            not stored: whether it was posted before recording began, and the gaps that it may lie in.

              tweet-loader explain 1866459871234567890
              tweet-loader explain 'https://x.com/user/status/1866459871234567890?s=20'
              tweet-loader explain 1866459871234567890 --json | jq .stored.seq

            Exit status: 0 when the tweet is stored, 65 when it is not.
            """)

    @Argument(help: "Id of the tweet, or a link to it.")
    var tweet: String

    @OptionGroup var options: DatabaseCommandOptions

    func validate() throws {
        guard TweetLink.id(in: tweet) != nil else {
            throw ValidationError(
                "'\(tweet)' is neither the id of a tweet (1 to 19 digits) nor a link such as"
                    + " https://x.com/user/status/1866459871234567890")
        }
    }

    func run() throws {
        try runCommand {
            let way = try onDatabase(try options.conninfo(), role: .any) { connection in
                try TweetTrace(TweetLink.id(in: tweet) ?? 0, connection)
            }
            options.output.show(way)
            if way.stored == nil { throw ExitCode(ExitStatus.badData.rawValue) }
        }
    }
}
