import ArgumentParser
import PipelineKit

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Says from the ledger whether anything is missing, and what.",
        discussion: """
            Each line that the producer received has a number, dense within its journal. What PostgreSQL has settled as \
            row, event or reject is in the ledger; what Kafka still holds is read from Kafka; what is in neither is \
            missing, and named by number. So are the messages that Kafka deleted before they were loaded. Gaps, in which \
            the stream was not connected, are listed apart.

            With --rows every message that Kafka still has is read, and looked for in the tables.

              tweet-loader verify
              tweet-loader verify --rows
              tweet-loader verify --json | jq '.journals[].missing'

            Exit status: 0 when nothing is missing, 65 when something is.
            """)

    @OptionGroup var options: InspectionOptions

    @Flag(help: "Also read the whole topic, and look for the row, event or reject of each settled message.")
    var rows = false

    func run() throws {
        try runCommand {
            let settings = try options.settings()
            var report = try LedgerReport.make(settings)
            if rows { report.rows = try RowCheck.make(settings) }
            options.base.show(report)
            if !report.isComplete { throw ExitCode(ExitStatus.badData.rawValue) }
        }
    }
}
