import Core
import XAPI

/// How gaps are to be filled.
package struct RepairSettings: Sendable {
    /// Whether `run` does it by itself.
    package var isAutomatic = true
    /// Posts that searches may bring, and cost, on a UTC day; 0: none.
    package var postsPerDay: Int64 = 0
    /// How long after its end a gap is filled: X needs a moment until everything can be found.
    package var delay = Duration.seconds(120)
    /// Whose rules are searched.
    package var ownership = RuleOwnership(prefix: "")

    package static let automaticSetting = Setting(
        "X_REPAIR", .one(of: Switch.self), default: "on", "Whether `run` fills gaps by itself, as X_PLAN allows")
    package static let postsSetting = Setting(
        "X_REPAIR_MAX_POSTS", flag: "max-repair-posts", .count(0...1_000_000_000), default: "0", value: "posts",
        "Posts that searches for gaps may return, and cost, on a day (UTC)")
    /// The same for one `gaps repair`, which has a flag of its own.
    package static let budgetSetting = Setting(
        postsSetting.environment, flag: "max-posts", postsSetting.kind, default: postsSetting.defaultText,
        value: postsSetting.valueName, "Posts that searches may return")
    package static let delaySetting = Setting(
        "X_REPAIR_DELAY", .duration, default: "2m", "Time from the end of a gap until it is filled")
    package static let settings = [automaticSetting, postsSetting, delaySetting]

    package init() {}

    /// Reads the settings; mistakes are added to the reader's.
    ///
    /// - Parameters:
    ///   - reader: the settings.
    ///   - posts: as what the number of posts is declared.
    package init(_ reader: inout SettingsReader, posts: Setting = postsSetting) {
        isAutomatic = reader.isOn(Self.automaticSetting)
        postsPerDay = Int64(reader.int(posts))
        delay = reader.duration(Self.delaySetting)
        ownership = RuleOwnership(prefix: reader.text(RuleOwnership.setting))
    }

    /// X finds a post only some seconds after it was made.
    var settling: Duration { min(delay, .seconds(15)) }
}
