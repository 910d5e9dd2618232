import Core
import Glibc
import KafkaClient
import LogShipping
import Logging
import Operations
import Postgres

/// How the loader works; settings of `run`.
enum LoadingSettings: SettingGroup {
    static let title = "Loader"
    static let group = Setting(
        "KAFKA_GROUP", flag: "group", .text, default: "tweet-loader", value: "name",
        "Kafka's consumer group; loaders of one group share the partitions")
    static let maxRows = Setting(
        "MAX_ROWS", flag: "max-rows", .count(1...1_000_000), default: "5000", "Messages in a transaction, at most")
    static let maxBytes = Setting(
        "MAX_BYTES", flag: "max-bytes", .bytes, default: "12MiB", "Bytes in a transaction, at most")
    static let maxAge = Setting(
        "MAX_AGE", flag: "max-age", .duration, unset: "as long as the last transaction took, 10ms to 500ms",
        "Time that the first message of a transaction waits for others")
    static let writers = Setting(
        "WRITERS", flag: "writers", .count(1...16),
        unset: "one for each processor, at most as many as partitions and 4",
        "Writers in this process, each with partitions, a connection to PostgreSQL and transactions of its own")
    static let payload = Setting(
        "PAYLOAD", flag: "payload", .one(of: PayloadMode.self), default: "jsonb",
        "The raw line beside the columns: `jsonb`, `json` (unchanged, faster to load) or `drop`")
    static let databaseTimeout = Setting(
        "DATABASE_TIMEOUT", flag: "database-timeout", .duration, default: "20s",
        "Longest duration of a statement before the loader retries it, smaller")
    static let onHole = Setting(
        "ON_HOLE", flag: "on-hole", .one(of: HolePolicy.self), default: "stop",
        "When Kafka deleted messages before they were loaded: `stop` that partition, or `continue` with the oldest message"
            + " that Kafka has. The hole is recorded either way")
    static let settings = [
        group, maxRows, maxBytes, maxAge, writers, payload, databaseTimeout, onHole, ServiceSettings.drain,
    ]
}

/// The loader's settings, read once at the start.
struct LoaderSettings: ConfiguredService, Sendable {
    var conninfo: PostgresConninfo
    var kafka: KafkaConfiguration
    /// The topic of tweets; that of events is named after it.
    var topic: String
    var group = "tweet-loader"
    var limits = BatchLimits()
    /// How many writers share the partitions and the bounds of memory; nil: chosen at the start.
    var writers: Int?
    /// The name of the member that this writer is in Kafka's group; nil for one without a name.
    var member: String?
    var payload = PayloadMode.jsonb
    var onHole = HolePolicy.stop
    var drain = Duration.seconds(30)
    /// Where metrics and health are served; nil: nowhere.
    var listen: ListenSettings?
    /// How old what is pending may be.
    var health = HealthLimits()
    /// Where the log is shipped; nil: nowhere.
    var logs: LogShippingSettings?
    /// Names this process in `loader_offsets`.
    var owner = LoaderSettings.makeOwner()

    /// Both topics that are consumed.
    var topics: [String] { [topic, "\(topic).events"] }

    init(conninfo: PostgresConninfo, kafka: KafkaConfiguration, topic: String) {
        self.conninfo = conninfo
        self.kafka = kafka
        self.topic = topic
    }

    static let program = "tweet-loader"

    static func read(_ reader: inout SettingsReader) throws(SettingsError) {
        _ = try LoaderSettings(&reader)
        _ = WatchedServices.read(&reader)
        _ = try ConsoleConfiguration(&reader)
    }

    /// Every setting of the service, by group.
    static let groups: [any SettingGroup.Type] = [
        DatabaseSettings.self, KafkaSettings.self, LoadingSettings.self, ListeningSettings.self,
        LogHTTPSettings.self, WatchSettings.self, ConsoleSettings.self, CommonSettings.self,
    ]

    /// Reads every setting; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Throws: `SettingsError` when even `PG*` variables cannot be used.
    init(_ reader: inout SettingsReader) throws(SettingsError) {
        self.init(
            conninfo: try DatabaseSettings.conninfo(&reader), kafka: KafkaSettings.configuration(&reader),
            topic: KafkaSettings.topicName(&reader))
        group = reader.text(LoadingSettings.group)
        limits.rows = reader.int(LoadingSettings.maxRows)
        limits.bytes = reader.bytes(LoadingSettings.maxBytes)
        limits.fixedAge = reader.value(LoadingSettings.maxAge, Duration.init(setting:))
        writers = reader.optionalInt(LoadingSettings.writers)
        payload = reader.choice(LoadingSettings.payload, PayloadMode.self) ?? .jsonb
        conninfo.statementTimeout = reader.duration(LoadingSettings.databaseTimeout)
        onHole = reader.choice(LoadingSettings.onHole, HolePolicy.self) ?? .stop
        drain = reader.duration(ServiceSettings.drain)
        listen = ListenSettings.read(&reader, ListeningSettings.listen)
        health = HealthLimits.read(&reader)
        logs = LogShippingSettings.read(&reader)
        if !(1...256 << 20).contains(limits.bytes) {
            reader.addMistake(
                "\(reader.origin(LoadingSettings.maxBytes)): more than 256MiB does not fit into one transaction's memory"
            )
        }
        if let timeout = conninfo.statementTimeout, timeout < .seconds(1) {
            reader.addMistake("\(reader.origin(LoadingSettings.databaseTimeout)): must be at least 1s")
        }
    }

    /// What is worth a line in the log when the service starts.
    var description: Logger.Metadata {
        [
            "kafka": "\(kafka.bootstrapServers)", "topics": "\(topics.joined(separator: ","))", "group": "\(group)",
            "postgres": "\(conninfo.place)", "owner": "\(owner)", "member": "\(member ?? "")",
        ]
    }

    private static func makeOwner() -> String {
        "\(hostName)/\(getpid())/\(String(UInt32.random(in: 0 ... .max), radix: 36))"
    }

    static let hostName: String = {
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()
}
