import ArgumentParser
import Core
import Foundation
import KafkaClient
import Logging
import ObjectStore
import Publishing
import Synchronization

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Publish archived lines again.",
        discussion: """
            Reads a file, a folder of files, a stream's journal folder, or files that `run` uploaded to S3: JSON Lines, plain \
            or gzip. Lines of our own journal keep their stream, journal and number, so the loader settles each once, \
            however often it is replayed. Files of other tools contain v2 tweets as the stream sends them, pages \
            {"data":[…],"includes":…}, flat tweets (twarc's `flatten`), or JSON arrays of these; their tweets are numbered \
            under a separate stream (--stream).

            --since and --until select by time of receipt; in files of other tools by the time in the tweet's id.

              tweet-producer replay /var/lib/tweet-pipeline/journal/default --since 2026-11-01T00:00:00Z
              tweet-producer replay s3://bucket/raw/default --rate 2000 --state replay.json
              tweet-producer replay pages.jsonl.gz --stream old-captures

            Ctrl-C ends it. With --state the next run continues there; without it the next run starts over, which does no harm.
            Damaged files, and files without a tweet, are listed at the end. Lines before the damage, and the other files, \
            are published. Objects of S3 are fetched one at a time into a private folder below TMPDIR.
            A line that Kafka rejects, or that the disk has damaged, becomes a reject with its number; the last line of the \
            output counts them by reason.

            Exit status: 0 done, 65 a file is damaged, cut short or without a tweet, or lines were rejected, 69 Kafka or S3 unavailable, 74 disk, 75 interrupted, 78 invalid settings.
            """)

    @Argument(help: ArgumentHelp("A file, a folder, or s3://BUCKET/PREFIX.", valueName: "source"), completion: .file())
    var source: String

    @Option(
        help: ArgumentHelp("Only lines from this time on (RFC 3339, a date, or a span such as 2h).", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Only lines before this time.", valueName: "time"))
    var until: String?

    @Option(help: ArgumentHelp("First number.", valueName: "n"))
    var fromSeq: Int64?

    @Option(help: ArgumentHelp("Last number.", valueName: "n"))
    var toSeq: Int64?

    @Option(help: ArgumentHelp("Only lines with these numbers, such as 17,40-41.", valueName: "numbers"))
    var seq: String?

    @Option(help: ArgumentHelp("Lines a second (default as many as Kafka accepts).", valueName: "n"))
    var rate: Double?

    @Option(help: ArgumentHelp("File that stores the progress.", valueName: "file"), completion: .file())
    var state: String?

    @Option(help: ArgumentHelp("Stream of lines that are not from our journal (replay).", valueName: "name"))
    var stream: String?

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup(title: "Kafka") var kafka: SettingFlags<KafkaSettings>

    func run() throws {
        try runCommand {
            Service.prepareProcess()
            var reader = try SettingsReader(
                flags: flags(common.values, kafka.values), known: ProducerSettings.known)
            let settings = settings(&reader)
            let s3 = source.hasPrefix("s3://") ? S3Settings(&reader) : nil
            CommonSettings.startLogging(&reader)
            try reader.finish()
            let (stop, source) = (Stop(), source)
            let result = Mutex((isWhole: false, refused: RefusedLines(), problems: [String]()))
            let loop = Service.Loop("replay") {
                let files = try s3.map { try S3Files.list(source, $0, stop: stop) } ?? ReplayFile.list(source)
                let replay = try Replay(
                    source, files: files, settings: settings,
                    isTerminal: isatty(STDERR_FILENO) == 1, stop: stop, logger: Logger(label: "tweet-producer"))
                let isWhole = try replay.run()
                result.withLock { $0 = (isWhole, replay.refused, replay.problems) }
            }
            try Service.run([loop], stop: stop, drain: .seconds(5), logger: Logger(label: "tweet-producer"))
            let (isWhole, refused, problems) = result.withLock { $0 }
            try judge(isWhole, refused, problems)
        }
    }

    /// - Throws: `Failure` 75 when the replay was interrupted, 65 when something could not be published.
    private func judge(_ isWhole: Bool, _ refused: RefusedLines, _ problems: [String]) throws(Failure) {
        guard isWhole else {
            throw Failure(
                .tryAgain,
                "interrupted. "
                    + (state == nil ? "The next run starts over, which does no harm." : "The next run continues here."))
        }
        let rejected = refused.isEmpty ? [] : ["\(refused); their numbers are in the log and in rejects"]
        guard problems.isEmpty, rejected.isEmpty else {
            throw Failure(.badData, (problems + rejected).joined(separator: "\n"))
        }
    }

    private func settings(_ reader: inout SettingsReader) -> ReplaySettings {
        var settings = ReplaySettings(
            kafka: KafkaSettings.configuration(&reader), topic: KafkaSettings.topicName(&reader),
            partitions: reader.int(PublishingSettings.partitions),
            replication: reader.int(PublishingSettings.replication))
        select(&settings, &reader)
        if let rate, !(rate > 0 && rate.isFinite) { reader.addMistake("--rate: must be greater than 0") }
        settings.rate = rate
        settings.stateFile = state
        settings.lineLimit = reader.bytes(StreamSettings.lineLimitSetting)
        settings.foreignStream = stream ?? "replay"
        if !StreamName.isValid(settings.foreignStream) {
            reader.addMistake("--stream: '\(settings.foreignStream)' is not \(StreamName.rule)")
        }
        return settings
    }

    /// Reads which lines are to be published, by time and by number.
    private func select(_ settings: inout ReplaySettings, _ reader: inout SettingsReader) {
        for (name, text) in [("--since", since), ("--until", until)] {
            if let text, Timestamp(argument: text) == nil {
                reader.addMistake("\(name): '\(text)' is not \(Timestamp.argumentForm)")
            }
        }
        (settings.since, settings.until) = (
            since.flatMap { Timestamp(argument: $0) }, until.flatMap { Timestamp(argument: $0) }
        )
        let (first, last) = (fromSeq ?? 1, toSeq ?? Int64.max)
        if first < 1 || last < first {
            reader.addMistake("--from-seq, --to-seq: no such numbers")
        } else {
            settings.seqs = first...last
        }
        if let seq {
            settings.numbers = ReplaySettings.numbers(seq)
            if settings.numbers == nil {
                reader.addMistake("--seq: '\(seq)' must be numbers and ranges from 1 on, such as 17,40-41")
            }
        }
    }
}
