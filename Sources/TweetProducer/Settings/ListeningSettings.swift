import Core
import Operations

/// Where `tweet-producer run` answers requests for metrics and health.
enum ListeningSettings: SettingGroup {
    static let title = "Metrics and health"
    static let listen = ListenSettings.settings(port: 9464)
    static let mostTags = Setting(
        "METRICS_MAX_TAGS", .count(0...10_000), default: "100",
        "Tags of rules that get metrics of their own, in order of their first post; `0`: none")
    static let loaderGroup = Setting(
        "LOADER_GROUP", .text, default: "tweet-loader", value: "name",
        "KAFKA_GROUP of the loaders, whose progress in Kafka is a check of health; `off`: not watched")
    static let settings = [
        listen.address, listen.token, mostTags, HeartbeatSetting.setting, loaderGroup, UsageSetting.setting,
        HealthLimits.degradedSetting, HealthLimits.failingSetting,
    ]

    /// The group that is watched.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: nil for `off`.
    static func readLoaderGroup(_ reader: inout SettingsReader) -> String? {
        let name = reader.text(loaderGroup)
        return name == "off" ? nil : name
    }
}
