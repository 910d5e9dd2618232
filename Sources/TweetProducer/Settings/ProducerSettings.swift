import Core
import Journal
import KafkaClient
import LogShipping
import Operations
import Publishing
import XAPI

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
    /// How often X is asked for its own count of posts; nil: never.
    var usageInterval: Duration?
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
        (journalFolder, journal, archive) = JournalSettings.read(&reader)
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
        heartbeat = HeartbeatSetting.read(&reader)
        loaderGroup = ListeningSettings.readLoaderGroup(&reader)
        usageInterval = UsageSetting.read(&reader)
        standby = StandbySettings.read(&reader, plan: stream.plan)
        self.stream.countsMinutes = standby == .active
        rules = RuleWatchSettings.read(&reader, stream: stream)
        self.stream.rules = rules.ofStream
    }
}
