import Core
import XAPI

/// What filling a gap came to.
package struct RepairOutcome: Equatable, Sendable {
    /// Posts that X sent for it, and bills.
    package var posts: Int64 = 0
    /// Ids of the rules whose search is finished.
    package var searched: [String] = []
    /// Why it is not filled; nil when it is.
    package var obstacle: String?
    /// From when on the oldest gap is filled, when X no longer gives what is older.
    package var filledFrom: Timestamp?
    /// Whether another try may do better by itself.
    package var isTransient = false

    mutating func fail(_ obstacle: String, isTransient: Bool = false) {
        self.obstacle = obstacle
        self.isTransient = isTransient
    }

    /// What a chunk that was not taken means.
    mutating func fail(_ delivery: ChunkDelivery) {
        switch delivery {
        case .durable: break
        case .limited(let limit): fail("a limit of posts is reached: \(limit)", isTransient: true)
        case .failed: fail("the journal took no more", isTransient: true)
        }
    }
}

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
