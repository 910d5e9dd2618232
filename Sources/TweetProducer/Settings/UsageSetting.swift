import Core

/// How often the producer asks X for its own count of posts.
enum UsageSetting {
    /// X allows 50 questions in 15 minutes, for all streams of an app together, and charges nothing for them.
    static let setting = Setting(
        "X_USAGE_CHECK", .notation("a time from 1m to 1d, or off"), default: "1h", value: "time",
        "Interval at which the producer reads X's own count of posts, for the metrics `x_usage_…`; `off`: never")

    private static let intervals = Duration.seconds(60)...Duration.seconds(86_400)

    /// Reads the setting; errors are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: nil for `off`.
    static func read(_ reader: inout SettingsReader) -> Duration? {
        let read = reader.value(setting) { text -> Duration?? in
            if text == "off" { return .some(nil) }
            return Duration(setting: text).flatMap { intervals.contains($0) ? .some($0) : nil }
        }
        return read ?? nil
    }
}
