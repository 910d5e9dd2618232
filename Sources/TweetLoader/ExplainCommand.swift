import ArgumentParser
import PipelineKit

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Shows the whole way of one tweet.",
        discussion: """
            When it was received and on which connection, where its line is in the journal and in Kafka, when it was \
            committed, which rules matched, which versions there are; or why it was rejected or deleted. Of a tweet that \
            is not here it says whether it may lie in a gap, in which the stream was not connected.

              tweet-loader explain 1866459871234567890
              tweet-loader explain 1866459871234567890 --json | jq .stored.seq

            Exit status: 0 when the tweet is stored, 65 when it is not.
            """)

    @Argument(help: "Id of the tweet.")
    var id: String

    @OptionGroup var options: DatabaseCommandOptions

    func validate() throws {
        guard id.count <= 19, id.allSatisfy({ $0.isASCII && $0.isNumber }), Int64(id) != nil else {
            throw ValidationError("'\(id)' is no id of a tweet: 1 to 19 digits")
        }
    }

    func run() throws {
        try runCommand {
            let way = try onDatabase(try options.conninfo(), role: .any) { connection in
                try TweetWay(Int64(id) ?? 0, connection)
            }
            options.show(way)
            if way.stored == nil { throw ExitCode(ExitStatus.badData.rawValue) }
        }
    }
}
