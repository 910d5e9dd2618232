import Core
import Operations

/// Where `tweet-producer run` answers requests for metrics and health.
enum ListeningSettings: SettingGroup {
    static let title = "Metrics and health"
    static let listen = ListenSettings.settings(port: 9464)
    static let mostTags = Setting(
        "METRICS_MAX_TAGS", .count(0...10_000), default: "100",
        "Tags of rules that get metrics of their own, in order of their first post; `0`: none")
    static let heartbeat = Setting(
        "HEARTBEAT", .notation("a time from 1s to 1h, or off"), default: "30s", value: "time",
        "How often the producer journals that it lives, which the loader stores in `stream_state`; `off`: never")
    static let loaderGroup = Setting(
        "LOADER_GROUP", .text, default: "tweet-loader", value: "name",
        "KAFKA_GROUP of the loaders, whose progress in Kafka is a check of health; `off`: not watched")
    static let settings = [
        listen.address, listen.token, mostTags, heartbeat, loaderGroup, HealthLimits.degradedSetting,
        HealthLimits.failingSetting,
    ]

    /// The group that is watched.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: nil for `off`.
    static func readLoaderGroup(_ reader: inout SettingsReader) -> String? {
        let name = reader.text(loaderGroup)
        return name == "off" ? nil : name
    }

    private static let intervals = Duration.seconds(1)...Duration.seconds(3600)

    /// How often the producer journals that it lives; errors are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: nil for `off`.
    static func readHeartbeat(_ reader: inout SettingsReader) -> Duration? {
        let read = reader.value(heartbeat) { text -> Duration?? in
            if text == "off" { return .some(nil) }
            return Duration(setting: text).flatMap { Self.intervals.contains($0) ? .some($0) : nil }
        }
        return read ?? nil
    }
}
