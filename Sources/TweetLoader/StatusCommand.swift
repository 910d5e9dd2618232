import ArgumentParser
import Glibc
import PipelineKit

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "How far each partition is, how fast, and what was rejected.",
        discussion: """
            PostgreSQL says what is settled, Kafka what is still to come; when Kafka does not answer, the lag is unknown \
            and the rest is shown. The rate is that of the last seconds; oldest unsettled says since when the first \
            message waits that is in Kafka and not in PostgreSQL.

              tweet-loader status
              tweet-loader status --watch 5s
              tweet-loader status --json | jq .lag

            With --watch and --json: one object a line. Exit status: 0 done, 69 PostgreSQL cannot be reached.
            """)

    @OptionGroup var options: InspectionOptions

    @Option(help: ArgumentHelp("Show it again and again, so often, until Ctrl-C.", valueName: "time"))
    var watch: String?

    func validate() throws {
        if let watch, Duration(setting: watch).map({ $0 >= .milliseconds(100) }) != true {
            throw ValidationError("--watch: '\(watch)' is not a time such as 500ms, 2s or 1m")
        }
    }

    func run() throws {
        try runCommand {
            let settings = try options.settings()
            guard let interval = watch.flatMap(Duration.init(setting:)) else {
                return options.base.show(try readStatus(settings))
            }
            while true {
                show(settings)
                usleep(UInt32(clamping: interval.milliseconds * 1000))
            }
        }
    }

    /// Shows the status in place of the one before; an outage is part of what is watched.
    private func show(_ settings: LoaderSettings) {
        let text: String
        do {
            let status = try readStatus(settings)
            text = options.base.json ? status.json(isCompact: true) : status.text
        } catch { text = options.base.json ? #"{"problem":\#(JSONText.string("\(error)"))}"# : "\(error)" }
        let isScreen = isatty(STDOUT_FILENO) == 1 && !options.base.json
        print(isScreen ? "\u{1B}[H\u{1B}[2J\(Timestamp.now())\n\n\(text)" : text)
        fflush(nil)
    }
}

/// Asks PostgreSQL, then Kafka.
///
/// - Throws: `Failure` when PostgreSQL does not answer; a silent Kafka is part of the answer.
func readStatus(_ settings: LoaderSettings) throws -> LoaderStatus {
    var status = try onDatabase(settings.conninfo, role: .any) { connection in try LoaderStatus(connection) }
    let partitions = status.partitions.map { TopicPartition($0.topic, $0.partition) }
    do {
        let kafka = try KafkaEnds(settings.kafka, group: settings.group)
        status.add(try kafka.read(partitions))
        status.add(try kafka.times(of: status.waiting), now: .now())
    } catch let error as KafkaError {
        status.kafkaProblem = "\(error)"
    }
    return status
}
