import ArgumentParser
import PipelineKit

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Says from the ledger whether anything is missing, and what.",
        discussion: """
            Each line that the producer received has a number, dense within its journal. What PostgreSQL has settled as \
            row, event or reject is in the ledger; what Kafka still holds is read from Kafka; what is in neither is \
            missing, and named by number. Gaps, in which the stream was not connected, are listed apart.

              tweet-loader verify
              tweet-loader verify --json | jq '.journals[].missing'

            Exit status: 0 when nothing is missing, 65 when numbers are missing.
            """)

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var kafka: KafkaOptions
    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Kafka's consumer group (KAFKA_GROUP; default tweet-loader).", valueName: "name"))
    var group: String?

    @Flag(help: "One JSON object instead of text.")
    var json = false

    func run() throws {
        try runCommand {
            let settings = try inspectionSettings(database, kafka, common, group: group)
            let report = try LedgerReport.make(settings)
            print(json ? report.json : report.text)
            if !report.isComplete { throw ExitCode(ExitStatus.badData.rawValue) }
        }
    }
}
