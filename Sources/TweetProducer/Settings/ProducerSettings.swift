import ArgumentParser
import Core
import Journal
import KafkaClient
import XAPI

/// The flags of `tweet-producer run` that belong to neither X nor Kafka.
struct ProducerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of the journal (JOURNAL_DIR; ./journal).", valueName: "folder"))
    var journal: String?

    @Option(help: ArgumentHelp("Lines in one batch into Kafka (BATCH_SIZE; 100).", valueName: "lines"))
    var batchSize: String?

    @Option(help: ArgumentHelp("The longest a batch waits to fill (BATCH_LINGER; 100ms).", valueName: "time"))
    var batchLinger: String?

    @Option(help: ArgumentHelp("Partitions of a topic that has to be created (KAFKA_PARTITIONS; 12).", valueName: "n"))
    var partitions: String?

    @Option(
        help: ArgumentHelp("Copies of its data (KAFKA_REPLICATION; -1, the broker's default).", valueName: "n"))
    var replication: String?

    @Option(help: ArgumentHelp("The longest an end may take after SIGTERM (DRAIN; 30s).", valueName: "time"))
    var drain: String?

    static let journalSetting = Setting("JOURNAL_DIR", flag: "journal")
    static let syncDelaySetting = Setting("JOURNAL_SYNC_DELAY", flag: nil)
    static let syncBytesSetting = Setting("JOURNAL_SYNC_BYTES", flag: nil)
    static let segmentBytesSetting = Setting("JOURNAL_SEGMENT_BYTES", flag: nil)
    static let segmentAgeSetting = Setting("JOURNAL_SEGMENT_AGE", flag: nil)
    static let compressSetting = Setting("JOURNAL_COMPRESS", flag: nil)
    static let keepSetting = Setting("JOURNAL_KEEP", flag: nil)
    static let quotaSetting = Setting("JOURNAL_QUOTA", flag: nil)
    static let reserveSetting = Setting("JOURNAL_RESERVE", flag: nil)
    static let fullSetting = Setting("JOURNAL_FULL", flag: nil)
    static let batchSizeSetting = Setting("BATCH_SIZE", flag: "batch-size")
    static let batchLingerSetting = Setting("BATCH_LINGER", flag: "batch-linger")
    static let partitionsSetting = Setting("KAFKA_PARTITIONS", flag: "partitions")
    static let replicationSetting = Setting("KAFKA_REPLICATION", flag: "replication")
    static let drainSetting = Setting("DRAIN", flag: "drain")
    static let settings = [
        journalSetting, syncDelaySetting, syncBytesSetting, segmentBytesSetting, segmentAgeSetting, compressSetting,
        keepSetting, quotaSetting, reserveSetting, fullSetting, batchSizeSetting, batchLingerSetting, partitionsSetting,
        replicationSetting, drainSetting,
    ]

    /// The quota that is set; nil for none.
    static func quota(_ reader: inout SettingsReader) -> Int64? {
        reader.value(quotaSetting, default: nil, expected: "a size such as 500MiB or 100GiB") {
            parseByteCount($0).map { Int64($0) }
        }
    }

    /// The flags that were given, by environment name.
    var flags: [String: String] {
        [
            "JOURNAL_DIR": journal, "BATCH_SIZE": batchSize, "BATCH_LINGER": batchLinger,
            "KAFKA_PARTITIONS": partitions, "KAFKA_REPLICATION": replication, "DRAIN": drain,
        ].compactMapValues { $0 }
    }
}

/// Everything that `tweet-producer run` is told.
struct ProducerSettings: Sendable {
    var stream: StreamSettings
    var kafka: KafkaConfiguration
    /// Where tweets go; everything else goes to `eventsTopic`.
    var topic: String
    var journalFolder: String
    var journal = JournalOptions()
    var archive = ArchiveOptions()
    var batchSize: Int
    var batchLinger: Duration
    var partitions: Int
    var replication: Int
    var drain: Duration
    /// Where the archive is uploaded; nil without ARCHIVE_S3_URL.
    var upload: UploadSettings?
    /// How the rules at X are recorded and compared with the rules file.
    var rules: RuleWatchSettings

    var eventsTopic: String { topic + ".events" }

    /// What the settings file may hold; one file serves every subcommand.
    static let known =
        CommonOptions.settings + XOptions.settings + StreamOptions.settings + KafkaOptions.settings
        + ProducerOptions.settings + UploadSettings.settings + RulesOptions.settings + RuleWatchOptions.settings

    /// Reads the settings; mistakes are added to the reader's.
    init(stream: StreamSettings, kafka: KafkaConfiguration, topic: String, reader: inout SettingsReader) {
        self.stream = stream
        self.kafka = kafka
        self.topic = topic
        journalFolder = reader.string(ProducerOptions.journalSetting, default: "./journal")
        journal.syncDelay = reader.duration(ProducerOptions.syncDelaySetting, default: journal.syncDelay)
        journal.syncBytes = reader.bytes(ProducerOptions.syncBytesSetting, default: journal.syncBytes)
        journal.segmentBytes = Int64(
            reader.bytes(ProducerOptions.segmentBytesSetting, default: Int(journal.segmentBytes)))
        journal.segmentAge = reader.duration(ProducerOptions.segmentAgeSetting, default: journal.segmentAge)
        journal.quota = ProducerOptions.quota(&reader)
        journal.reserve = Int64(reader.bytes(ProducerOptions.reserveSetting, default: Int(journal.reserve)))
        if let quota = journal.quota, quota < 4 * max(journal.reserve, 1 << 20) {
            reader.addMistake(
                "JOURNAL_QUOTA: \(quota) bytes are too few: take at least 4 MiB and four times JOURNAL_RESERVE")
        }
        archive.whenFull = reader.choice(ProducerOptions.fullSetting, default: archive.whenFull)
        archive.isCompressed = reader.choice(ProducerOptions.compressSetting, default: Switch.on) == .on
        archive.keep = reader.value(
            ProducerOptions.keepSetting, default: archive.keep,
            expected: "all, 0, a time such as 30d or a size such as 100GiB", ArchiveKeep.init(setting:))
        batchSize = reader.int(ProducerOptions.batchSizeSetting, default: 100, in: 1...100_000)
        batchLinger = reader.duration(ProducerOptions.batchLingerSetting, default: .milliseconds(100))
        partitions = reader.int(ProducerOptions.partitionsSetting, default: 12, in: 1...10_000)
        replication = reader.int(ProducerOptions.replicationSetting, default: -1, in: -1...100)
        drain = reader.duration(ProducerOptions.drainSetting, default: .seconds(30))
        upload = UploadSettings.read(&reader)
        archive.uploaded = upload.map { _ in UploadedFiles() }
        rules = RuleWatchSettings.read(&reader, x: stream.x, plan: stream.plan)
        self.stream.rules = rules.file.map { StreamRules(file: $0, plan: rules.plan, ownership: rules.ownership) }
    }
}
