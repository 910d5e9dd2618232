import Core
import Journal
import KafkaClient
import LogShipping
import Operations
import Publishing
import XAPI

/// Where the journal is and how it is kept.
enum JournalSettings: SettingGroup {
    static let title = "Journal"
    static let folder = Setting(
        "JOURNAL_DIR", flag: "journal", .folder, default: "./journal",
        "Folder of the journal; each stream has a folder below it")
    static let syncDelay = Setting(
        "JOURNAL_SYNC_DELAY", .duration, default: "10ms", "Longest time that a line waits for its fsync")
    static let syncBytes = Setting(
        "JOURNAL_SYNC_BYTES", .bytes, default: "1MiB",
        "Pending bytes that start an fsync at once; reading pauses at eight times these bytes")
    static let segmentBytes = Setting(
        "JOURNAL_SEGMENT_BYTES", .bytes, default: "64MiB", "Size at which the next file of the journal begins")
    static let segmentAge = Setting(
        "JOURNAL_SEGMENT_AGE", .duration, default: "1h",
        "Age of its first line at which a file is followed by the next; SIGHUP does the same")
    static let compress = Setting(
        "JOURNAL_COMPRESS", .one(of: Switch.self), default: "on",
        "Whether closed files that Kafka has acknowledged become `.jsonl.gz` in the folder `archive`, or stay plain there"
    )
    static let keep = Setting(
        "JOURNAL_KEEP", .notation("all, 0, a time such as 30d or a size such as 100GiB"), default: "all",
        "How much of the archive is kept: `all`, a time, a size, or `0`: nothing that is acknowledged")
    static let quota = Setting(
        "JOURNAL_QUOTA", .bytes, unset: "no limit", "Bytes that a stream's folder may use, archive included")
    static let reserve = Setting(
        "JOURNAL_RESERVE", .bytes, default: "4MiB",
        "Bytes of the quota and of the disk that are reserved for events when no line fits")
    static let full = Setting(
        "JOURNAL_FULL", .one(of: JournalFullPolicy.self), default: "stop",
        "Without room: `stop` reading X, a declared gap; or `drop-oldest`: of the archive, then what Kafka has, then"
            + " unpublished lines, declared by number")
    static let settings = [
        folder, syncDelay, syncBytes, segmentBytes, segmentAge, compress, keep, quota, reserve, full,
    ]

    /// How the journal is written; errors are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: the options.
    static func readOptions(_ reader: inout SettingsReader) -> JournalOptions {
        var options = JournalOptions()
        options.syncDelay = reader.duration(syncDelay)
        options.syncBytes = reader.bytes(syncBytes)
        options.segmentBytes = Int64(reader.bytes(segmentBytes))
        options.segmentAge = reader.duration(segmentAge)
        options.quota = readQuota(&reader)
        options.reserve = Int64(reader.bytes(reserve))
        if let quota = options.quota, quota < 4 * max(options.reserve, 1 << 20) {
            reader.addMistake(
                "\(reader.origin(self.quota)): \(quota) bytes are too few; set at least 4 MiB and four times"
                    + " JOURNAL_RESERVE")
        }
        return options
    }

    /// The quota that is set.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: bytes; nil for no limit.
    static func readQuota(_ reader: inout SettingsReader) -> Int64? {
        reader.value(quota) { parseByteCount($0).map { Int64($0) } }
    }
}

/// How lines are published.
enum PublishingSettings: SettingGroup {
    static let title = "Producer"
    static let batchSize = Setting(
        "BATCH_SIZE", flag: "batch-size", .count(1...100_000), default: "100", value: "lines",
        "Lines in one batch into Kafka")
    static let batchLinger = Setting(
        "BATCH_LINGER", flag: "batch-linger", .duration, default: "100ms", "Longest time that a batch waits to fill")
    static let partitions = Setting(
        "KAFKA_PARTITIONS", flag: "partitions", .count(1...10_000), default: "12",
        "Partitions of a topic that has to be created")
    static let replication = Setting(
        "KAFKA_REPLICATION", flag: "replication", .count(-1...100), default: "-1",
        "Copies of its data; -1: the broker's default")
    static let settings = [batchSize, batchLinger, partitions, replication, ServiceSettings.drain]
}

/// All settings of `tweet-producer run`.
struct ProducerSettings: ConfiguredService, Sendable {
    var stream: StreamSettings
    var kafka: KafkaConfiguration
    /// Where tweets go; everything else goes to this with `.events` behind it.
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
    /// Where metrics and health are served; nil: nowhere.
    var listen: ListenSettings?
    /// How old what is pending may be.
    var health = HealthLimits()
    /// How often the producer journals that it lives; nil: never.
    var heartbeat: Duration?
    /// The loaders' group, whose progress is watched; nil: not.
    var loaderGroup: String?
    /// How many tags of rules get metrics of their own.
    var mostTags: Int
    /// Where the log is shipped; nil: nowhere.
    var logs: LogShippingSettings?
    /// How several producers of the stream work together.
    var standby = StandbyMode.off

    /// What publishing needs of them.
    var publish: PublishSettings {
        PublishSettings(
            kafka: kafka, tweets: NewTopic(topic, partitions: partitions, replication: replication),
            events: NewTopic(topic + ".events", partitions: 1, replication: replication), batchSize: batchSize,
            batchLinger: batchLinger)
    }

    static let program = "tweet-producer"

    static func read(_ reader: inout SettingsReader) throws(SettingsError) {
        _ = ProducerSettings(&reader)
        _ = FleetSettings(&reader)
    }

    /// Every setting of the service, by group.
    static let groups: [any SettingGroup.Type] = [
        XSettings.self, StreamSettings.self, StandbySettings.self, KafkaSettings.self, JournalSettings.self,
        PublishingSettings.self, RuleWatchSettings.self, UploadSettings.self, ListeningSettings.self,
        FleetSettings.self, LogHTTPSettings.self, CommonSettings.self,
    ]

    /// Reads every setting; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    init(_ reader: inout SettingsReader) {
        self.init(
            stream: StreamSettings(&reader), kafka: KafkaSettings.configuration(&reader),
            topic: KafkaSettings.topicName(&reader), reader: &reader)
    }

    /// Reads the settings; mistakes are added to the reader's.
    init(stream: StreamSettings, kafka: KafkaConfiguration, topic: String, reader: inout SettingsReader) {
        self.stream = stream
        self.kafka = kafka
        self.topic = topic
        journalFolder = reader.text(JournalSettings.folder)
        journal = JournalSettings.readOptions(&reader)
        archive.whenFull = reader.choice(JournalSettings.full, JournalFullPolicy.self) ?? .stop
        archive.isCompressed = reader.isOn(JournalSettings.compress)
        archive.keep = reader.value(JournalSettings.keep, ArchiveKeep.init(setting:)) ?? .all
        batchSize = reader.int(PublishingSettings.batchSize)
        batchLinger = reader.duration(PublishingSettings.batchLinger)
        partitions = reader.int(PublishingSettings.partitions)
        replication = reader.int(PublishingSettings.replication)
        drain = reader.duration(ServiceSettings.drain)
        upload = UploadSettings.read(&reader)
        archive.uploaded = upload.map { _ in UploadedFiles() }
        listen = ListenSettings.read(&reader, ListeningSettings.listen)
        mostTags = reader.int(ListeningSettings.mostTags)
        health = HealthLimits.read(&reader)
        logs = LogShippingSettings.read(&reader)
        heartbeat = ListeningSettings.readHeartbeat(&reader)
        loaderGroup = ListeningSettings.readLoaderGroup(&reader)
        standby = StandbySettings.read(&reader, plan: stream.plan)
        self.stream.countsMinutes = standby == .active
        rules = RuleWatchSettings.read(&reader, stream: stream)
        self.stream.rules = rules.ofStream
    }
}
