package import Core

/// HEARTBEAT: how often a service journals that it lives.
package enum HeartbeatSetting {
    /// The setting.
    package static let setting = Setting(
        "HEARTBEAT", .notation("a time from 1s to 1h, or off"), default: "30s", value: "time",
        "How often the service journals that it lives, which the loader stores in `stream_state`; `off`: never")

    private static let intervals = Duration.seconds(1)...Duration.seconds(3600)

    /// Reads the setting; errors are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: nil for `off`.
    package static func read(_ reader: inout SettingsReader) -> Duration? {
        let read = reader.value(setting) { text -> Duration?? in
            if text == "off" { return .some(nil) }
            return Duration(setting: text).flatMap { Self.intervals.contains($0) ? .some($0) : nil }
        }
        return read ?? nil
    }
}
