import Core
import Journal
import XAPI

/// Settings of the watch over rules.
struct RuleWatchSettings: Sendable, SettingGroup {
    static let title = "Rules"
    /// X allows 450 questions for rules in 15 minutes, and charges nothing for them.
    static let intervalSetting = Setting(
        "X_RULES_CHECK", .duration, default: "5m",
        "Interval at which the producer reads the rules at X, records changes and compares them with the file")
    static let silenceSetting = Setting(
        "X_RULES_SILENCE", .duration, default: "7d", "Time without a post after which a rule of the file is reported")
    static let followingSetting = Setting(
        "X_FOLLOWING_REFRESH", .one(of: Switch.self), default: "on",
        "Whether the producer reads the accounts that filters follow again after a day, at X's price, and changes their rules"
    )
    static let settings = [
        RulesFile.setting, AccountPlan.setting, RuleOwnership.setting, PostPrice.setting, UserPrice.setting,
        intervalSetting, silenceSetting, followingSetting,
    ]

    var x: XSettings
    /// The rules file; nil when the rules at X are only recorded.
    var file: String?
    var plan: AccountPlan
    var ownership: RuleOwnership
    /// The lists of accounts that filters of the file follow, as commands and producers have read them.
    var following: FollowingFiles
    /// Whether they are read again after a day.
    var refreshesFollowing = true
    /// What X charges for an account in such a list, and for a post.
    var (userPrice, postPrice) = (PostPrice(dollars: 0.01), PostPrice.listPrice)
    /// Which stream it is: a sample has no rules, and records that it is a sample.
    var source: StreamSource
    /// From one comparison to the next.
    var interval: Duration
    /// How long a rule may bring nothing.
    var silence: Duration

    init(
        x: XSettings, file: String? = nil, plan: AccountPlan = .selfServe,
        ownership: RuleOwnership = RuleOwnership(prefix: ""),
        following: FollowingFiles = FollowingFiles(journalFolder: "."), source: StreamSource = .filtered,
        interval: Duration = .seconds(300), silence: Duration = .seconds(7 * 86_400)
    ) {
        self.x = x
        self.file = file
        self.plan = plan
        self.ownership = ownership
        self.following = following
        self.source = source
        self.interval = interval
        self.silence = silence
    }

    /// The rules to add when X has none; nil without a rules file.
    var ofStream: StreamRules? {
        file.map { StreamRules(file: $0, plan: plan, ownership: ownership, following: following) }
    }

    /// Reads the settings. Errors in the rules file and others are added to the reader's.
    ///
    /// - Parameters:
    ///   - reader: the settings.
    ///   - stream: those of the stream.
    /// - Returns: the settings.
    static func read(_ reader: inout SettingsReader, stream: StreamSettings) -> RuleWatchSettings {
        var settings = RuleWatchSettings(
            x: stream.x, file: reader.string(RulesFile.setting), plan: stream.plan,
            ownership: RuleOwnership(prefix: reader.text(RuleOwnership.setting)),
            following: FollowingFiles(journalFolder: reader.text(JournalSettings.folder)), source: stream.source,
            interval: reader.duration(intervalSetting),
            silence: reader.duration(silenceSetting))
        settings.refreshesFollowing = reader.isOn(followingSetting)
        settings.userPrice = UserPrice.read(&reader)
        settings.postPrice = PostPrice.read(&reader)
        if settings.interval < .seconds(10) {
            reader.addMistake(
                "\(reader.origin(intervalSetting)): must be at least 10s: X limits how often rules are read")
        }
        if let file = settings.file {
            if stream.source != .filtered {
                reader.addMistake(
                    "\(reader.origin(RulesFile.setting)): a \(stream.source.kind.rawValue) stream has no rules; remove it, or"
                        + " set \(StreamSource.kindSetting.environment)=filtered")
            }
            do { _ = try RulesFile(path: file, plan: settings.plan) } catch { reader.addMistake("\(error)") }
        }
        return settings
    }
}

/// The rules that the stream is to have, for when X has none at all.
package struct StreamRules: Sendable {
    /// The file of rules.
    package var file: String
    package var plan: AccountPlan
    package var ownership: RuleOwnership
    /// The lists of accounts that its filters follow.
    package var following: FollowingFiles

    /// - Parameters:
    ///   - file: the rules file.
    ///   - plan: the account's contract.
    ///   - ownership: which rules are ours.
    ///   - following: the lists of accounts that its filters follow.
    package init(
        file: String, plan: AccountPlan, ownership: RuleOwnership,
        following: FollowingFiles = FollowingFiles(journalFolder: ".")
    ) {
        self.file = file
        self.plan = plan
        self.ownership = ownership
        self.following = following
    }
}
