import Glibc

/// What the subcommands of both services have in common: logging and the settings file.
package enum CommonSettings: SettingGroup {
    package static let title = "Common"
    package static let config = Setting(
        "TWEET_PIPELINE_CONFIG", flag: "config", .file, isInFile: false, "Settings file: YAML, one `name: value` a line"
    )
    package static let logLevel = Setting(
        "LOG_LEVEL", flag: "log-level", .one(of: LogLevel.self), default: "info", "Least severe messages in the log")
    package static let logFormat = Setting(
        "LOG_FORMAT", flag: "log-format", .one(of: LogFormat.self), unset: "text on a terminal, else json",
        "Format of the log")
    package static let settings = [config, logLevel, logFormat]

    /// Starts logging as the settings say.
    ///
    /// - Parameter reader: the settings.
    package static func startLogging(_ reader: inout SettingsReader) {
        let level = reader.choice(logLevel, LogLevel.self) ?? .info
        Core.startLogging(level: level.level, format: reader.choice(logFormat, LogFormat.self))
    }
}

/// What the services have in common, beside `CommonSettings`, while they run.
package enum ServiceSettings {
    package static let drain = Setting(
        "DRAIN", flag: "drain", .duration, default: "30s", "Longest duration of the end after SIGTERM")
}
