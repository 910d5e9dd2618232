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

    package static let automaticSetting = Setting("X_REPAIR", flag: nil)
    package static let postsSetting = Setting("X_REPAIR_MAX_POSTS", flag: "max-repair-posts")
    package static let delaySetting = Setting("X_REPAIR_DELAY", flag: nil)
    package static let settings = [automaticSetting, postsSetting, delaySetting]

    package init() {}

    /// Reads the settings; mistakes are added to the reader's.
    package init(_ reader: inout SettingsReader) {
        isAutomatic = reader.choice(Self.automaticSetting, default: Switch.on) == .on
        postsPerDay = Int64(reader.int(Self.postsSetting, default: 0, in: 0...1_000_000_000))
        delay = reader.duration(Self.delaySetting, default: delay)
        ownership = RuleOwnership(prefix: reader.string(RuleOwnership.setting, default: ""))
    }

    /// X finds a post only some seconds after it was made.
    var settling: Duration { min(delay, .seconds(15)) }
}
