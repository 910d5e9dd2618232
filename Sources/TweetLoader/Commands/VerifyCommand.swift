import ArgumentParser
import Core
import KafkaClient
import Postgres

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check that every received line reached PostgreSQL, and name what is missing.",
        discussion: """
            The producer numbers each line. A number is settled (row, event or reject), in flight (in Kafka, or with \
            --journal also in the producer's journal), or missing. A number counts as missing after repeated \
            checks within 20 s. Without --journal, the newest 100,000 lines of a journal may still be held by a stopped or \
            disconnected producer: those that are not found are unknown.

            With --rows, verify reads every message that Kafka still has, and looks for it in the tables.

              tweet-loader verify --journal /var/lib/tweet-pipeline/journal
              tweet-loader verify --json | jq .verdict

            The last line is the verdict, with rejects, open gaps and open holes. Exit status: 0 complete, or nothing \
            missing · 65 something is missing · 69 unknown: something could not be checked · 75 --wait ended with lines \
            in flight.
            """)

    @OptionGroup var options: InspectionOptions

    @Flag(help: "Read the whole topic, too, and look for the row, event or reject of each settled message.")
    var rows = false

    @Option(
        help: ArgumentHelp("Count unpublished lines in these journals, too.", valueName: "folder"),
        completion: .directory)
    var journal: String?

    @Option(help: ArgumentHelp("Wait at most this long until nothing is in flight.", valueName: "time"))
    var wait: String?

    func validate() throws {
        if let wait, Duration(setting: wait) == nil {
            throw ValidationError("--wait: '\(wait)' is not a time such as 500ms, 60s or 5m")
        }
    }

    func run() throws {
        try runCommand {
            let settings = try options.settings()
            let wait = wait.flatMap(Duration.init(setting:))
            var verification = try Verification(settings, journals: journal)
            var report = try verification.run(wait: wait)
            report.waited = wait
            if rows { try addRows(to: &report, settings) }
            options.base.output.show(report)
            if report.status != .done { throw ExitCode(report.status.rawValue) }
        }
    }

    private func addRows(to report: inout LedgerReport, _ settings: LoaderSettings) throws {
        do { report.rows = try RowCheck.make(settings) } catch let error as DatabaseError
            where error.disposition == .wait
        {
            report.rows = RowCheck(problems: ["\(error)"])
        } catch let error as KafkaError {
            report.rows = RowCheck(problems: ["\(error)"])
        }
    }
}

extension LedgerReport {
    /// How the command ends.
    var status: ExitStatus {
        switch verdict {
        case .complete: .done
        case .pending: waited == nil ? .done : .tryAgain
        case .missing: .badData
        case .unknown: .unavailable
        }
    }
}
