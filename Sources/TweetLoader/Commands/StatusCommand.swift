import ArgumentParser
import Core
import Glibc
import KafkaClient
import Postgres

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show whether a loader runs, its lag and rate, and rejects.",
        discussion: """
            PostgreSQL has the settled messages, Kafka the pending ones; without Kafka the lag is unknown and the rest \
            is shown. A loader counts as running when it sent a heartbeat within 15 s. The rate is that of the last \
            seconds, 0 when nothing was committed for 10 s. Oldest unsettled is the age of the first message that is in \
            Kafka and not in PostgreSQL. On a terminal the tables fit the screen, and idle partitions are one line.

              tweet-loader status
              tweet-loader status --watch 5s
              tweet-loader status --json | jq .lag
              tweet-loader status --check --max-lag 10000 --max-age 2m

            With --watch and --json: one object a line. Exit status: 0 done, 1 with --check when no loader runs, Kafka's \
            group does not accept one, or a limit is exceeded, 69 PostgreSQL is unreachable, or with a limit the lag is unknown.
            """)

    @OptionGroup var options: InspectionOptions

    @Flag(help: "List idle partitions on a terminal, too.")
    var all = false

    @Option(help: ArgumentHelp("Refresh every <time> until Ctrl-C.", valueName: "time"))
    var watch: String?

    @Flag(help: "Exit with 1 when no loader runs, or a limit is exceeded.")
    var check = false

    @Option(help: ArgumentHelp("With --check: messages that may be unsettled.", valueName: "count"))
    var maxLag: Int64?

    @Option(help: ArgumentHelp("With --check: age that the oldest unsettled message may have.", valueName: "time"))
    var maxAge: String?

    func validate() throws {
        if check ? watch != nil : maxLag != nil || maxAge != nil {
            throw ValidationError("--max-lag and --max-age need --check, which cannot be used with --watch")
        }
        if let maxAge, Duration(setting: maxAge) == nil {
            throw ValidationError("--max-age: '\(maxAge)' is not a time such as 30s, 2m or 1h")
        }
        if let watch, Duration(setting: watch).map({ $0 >= .milliseconds(100) }) != true {
            throw ValidationError("--watch: '\(watch)' is not a time such as 500ms, 2s or 1m")
        }
    }

    func run() throws {
        var failures: [String] = []
        try runCommand {
            let settings = try options.settings()
            guard let interval = watch.flatMap(Duration.init(setting:)) else {
                let status = try status(settings)
                options.base.output.show(status)
                if check { failures = try limits.failures(of: status) }
                return
            }
            while true {
                refresh(settings)
                usleep(UInt32(clamping: interval.milliseconds * 1000))
            }
        }
        guard !failures.isEmpty else { return }
        writeToStandardError(failures.map { "tweet-loader: check failed: \($0)\n" }.joined())
        throw ExitCode(1)
    }

    private var limits: StatusLimits { StatusLimits(lag: maxLag, age: maxAge.flatMap(Duration.init(setting:))) }

    /// Shows the status in place of the one before; an outage is part of what is watched.
    private func refresh(_ settings: LoaderSettings) {
        let report: any Report
        do { report = try status(settings) } catch { report = NoStatus(problem: "\(error)") }
        if options.base.output.json {
            print(report.json(isCompact: true))
        } else if let terminal = Terminal.ofStandardOutput {
            // The time takes two lines, and the cursor one.
            print("\u{1B}[H\u{1B}[2J\(Timestamp.now())\n\n\(report.text(on: terminal.screen(without: 3)))")
        } else {
            print(report.text)
        }
        fflush(nil)
    }

    private func status(_ settings: LoaderSettings) throws -> LoaderStatus {
        var status = try readStatus(settings)
        status.listsIdle = all
        return status
    }

    /// Why there is no status now.
    private struct NoStatus: Report {
        let problem: String

        func text(on terminal: Terminal?) -> String { problem }
    }
}

/// Asks PostgreSQL, then Kafka.
///
/// - Throws: `DatabaseError` when PostgreSQL does not answer; a silent Kafka is part of the answer.
func readStatus(_ settings: LoaderSettings) throws -> LoaderStatus {
    var status = try onDatabase(settings.conninfo, role: .any) { connection in try LoaderStatus(connection) }
    do {
        let kafka = try KafkaEnds(settings.kafka, group: settings.group)
        let known = status.partitions.map { TopicPartition($0.topic, $0.partition) }
        let answer = kafka.read(topics: settings.topics, known: known)
        status.add(answer)
        status.add(try kafka.first(from: status.waiting), now: .now())
        // Another question to a Kafka that does not answer takes as long.
        status.consumerGroup =
            answer.ends.isEmpty && !answer.problems.isEmpty
            ? .init(name: settings.group, state: "unknown", problem: answer.problems[0]) : kafka.consumerGroup()
    } catch let error as KafkaError {
        status.problems.append("\(error)")
    }
    return status
}
