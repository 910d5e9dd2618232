import ArgumentParser
import Core
import Glibc
import KafkaClient
import Logging
import Postgres

/// Where PostgreSQL is; the same for all commands.
struct DatabaseOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "PostgreSQL: postgresql://USER@HOST/DATABASE or 'host=... dbname=...' (DATABASE_URL; PG* is honoured).",
            valueName: "url"))
    var database: String?

    static let setting = Setting("DATABASE_URL", flag: "database", isSecret: true)

    var flags: [String: String] { ["DATABASE_URL": database].compactMapValues { $0 } }

    /// The connection string; a mistake in it is collected by the reader.
    static func conninfo(_ reader: inout SettingsReader) throws(Failure) -> PostgresConninfo {
        let environment = ProcessEnvironment.current
        let text = reader.string(setting)
        let isElsewhere = ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"].contains { environment[$0] != nil }
        if text == nil, !isElsewhere {
            reader.addMistake(
                "\(setting.title) is not set: where is PostgreSQL? For instance postgresql://tweets@localhost/tweets")
        }
        do { return try PostgresConninfo(text ?? "") } catch {
            reader.addMistake(error.description)
            return try PostgresConninfo("")
        }
    }
}

/// How the loader works; flags of `run`.
struct LoaderOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Kafka's consumer group (KAFKA_GROUP; default tweet-loader).", valueName: "name"))
    var group: String?

    @Option(help: ArgumentHelp("Messages in a transaction, at most (MAX_ROWS; default 5000).", valueName: "count"))
    var maxRows: String?

    @Option(help: ArgumentHelp("Bytes in a transaction (MAX_BYTES; default 12MiB).", valueName: "size"))
    var maxBytes: String?

    @Option(
        help: ArgumentHelp(
            "How long the first message of a transaction waits for others (MAX_AGE; default as long as the last "
                + "transaction took, 10ms to 500ms).", valueName: "time"))
    var maxAge: String?

    @Option(
        help: ArgumentHelp(
            "The raw line beside the columns: jsonb, json or drop (PAYLOAD; default jsonb).", valueName: "mode"))
    var payload: String?

    @Option(
        help: ArgumentHelp(
            "How long PostgreSQL may take for one statement before it is tried again, smaller (DATABASE_TIMEOUT; default "
                + "20s).", valueName: "time"))
    var databaseTimeout: String?

    @Option(
        help: ArgumentHelp(
            "When Kafka has deleted messages before they were loaded: stop (that partition, for a person to decide) or "
                + "continue with the oldest that Kafka has (ON_HOLE; default stop). The hole is recorded either way.",
            valueName: "policy"))
    var onHole: String?

    @Option(help: ArgumentHelp("How long the end may take after SIGTERM (DRAIN; default 30s).", valueName: "time"))
    var drain: String?

    static let group = Setting("KAFKA_GROUP", flag: "group")
    static let maxRows = Setting("MAX_ROWS", flag: "max-rows")
    static let maxBytes = Setting("MAX_BYTES", flag: "max-bytes")
    static let maxAge = Setting("MAX_AGE", flag: "max-age")
    static let payload = Setting("PAYLOAD", flag: "payload")
    static let databaseTimeout = Setting("DATABASE_TIMEOUT", flag: "database-timeout")
    static let onHole = Setting("ON_HOLE", flag: "on-hole")
    static let drain = Setting("DRAIN", flag: "drain")

    var flags: [String: String] {
        [
            "KAFKA_GROUP": group, "MAX_ROWS": maxRows, "MAX_BYTES": maxBytes, "MAX_AGE": maxAge, "PAYLOAD": payload,
            "DATABASE_TIMEOUT": databaseTimeout, "ON_HOLE": onHole, "DRAIN": drain,
        ].compactMapValues { $0 }
    }
}

/// Every setting that the loader knows, for the settings file.
let knownSettings =
    KafkaOptions.settings + [
        CommonOptions.logLevelSetting, CommonOptions.logFormatSetting, DatabaseOptions.setting, LoaderOptions.group,
        LoaderOptions.maxRows, LoaderOptions.maxBytes, LoaderOptions.maxAge, LoaderOptions.payload,
        LoaderOptions.databaseTimeout, LoaderOptions.onHole, LoaderOptions.drain,
    ]

/// What to do when Kafka has deleted messages before they were loaded.
enum HolePolicy: String, CaseIterable, Sendable {
    /// The partition stands still until a person decides; the others go on.
    case stop
    /// Goes on with the oldest message that Kafka has.
    case `continue`
}

/// What the loader was told, read once at the start.
struct LoaderSettings: Sendable {
    var conninfo: PostgresConninfo
    var kafka: KafkaConfiguration
    /// The topic of tweets; that of events is named after it.
    var topic: String
    var group = "tweet-loader"
    var limits = BatchLimits()
    var payload = PayloadMode.jsonb
    var onHole = HolePolicy.stop
    var drain = Duration.seconds(30)
    /// Names this process in `loader_offsets`.
    var owner = LoaderSettings.makeOwner()

    /// Both topics that are consumed.
    var topics: [String] { [topic, "\(topic).events"] }

    init(conninfo: PostgresConninfo, kafka: KafkaConfiguration, topic: String) {
        self.conninfo = conninfo
        self.kafka = kafka
        self.topic = topic
    }

    init(_ options: LoaderOptions, _ kafka: KafkaOptions, _ reader: inout SettingsReader) throws(Failure) {
        self.init(
            conninfo: try DatabaseOptions.conninfo(&reader), kafka: kafka.configuration(&reader),
            topic: kafka.topicName(&reader))
        group = reader.string(LoaderOptions.group, default: group)
        limits.rows = reader.int(LoaderOptions.maxRows, default: limits.rows, in: 1...1_000_000)
        limits.bytes = reader.bytes(LoaderOptions.maxBytes, default: limits.bytes)
        if reader.string(LoaderOptions.maxAge) != nil {
            limits.fixedAge = reader.duration(LoaderOptions.maxAge, default: .milliseconds(100))
        }
        payload = reader.choice(LoaderOptions.payload, default: payload)
        conninfo.statementTimeout = reader.duration(LoaderOptions.databaseTimeout, default: .seconds(20))
        onHole = reader.choice(LoaderOptions.onHole, default: onHole)
        drain = reader.duration(LoaderOptions.drain, default: drain)
        if !(1...256 << 20).contains(limits.bytes) {
            reader.addMistake(
                "\(reader.origin(LoaderOptions.maxBytes)): more than 256MiB does not fit into one transaction's memory")
        }
        if let timeout = conninfo.statementTimeout, timeout < .seconds(1) {
            reader.addMistake("\(reader.origin(LoaderOptions.databaseTimeout)): at least 1s")
        }
    }

    /// What is worth a line in the log when the service starts.
    var description: Logger.Metadata {
        [
            "kafka": "\(kafka.bootstrapServers)", "topics": "\(topics.joined(separator: ","))", "group": "\(group)",
            "postgres": "\(conninfo.place)", "owner": "\(owner)",
        ]
    }

    private static func makeOwner() -> String {
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return "\(host)/\(getpid())/\(String(UInt32.random(in: 0 ... .max), radix: 36))"
    }
}
