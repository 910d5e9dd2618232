import Core
import Journal
import LogShipping
import Operations
import Postgres
import Publishing
import XAPI

/// How timelines are read; settings of `run`.
enum ReadingSettings: SettingGroup {
    static let title = "Timelines"
    static let interval = Setting(
        "TIMELINE_INTERVAL", flag: "interval", .duration, default: "60s",
        "Shortest time between two polls of a timeline")
    static let longestInterval = Setting(
        "TIMELINE_MAX_INTERVAL", flag: "max-interval", .duration, default: "15m",
        "Longest time between two polls of a timeline without new posts")
    static let firstPosts = Setting(
        "TIMELINE_FIRST_POSTS", flag: "first-posts", .count(5...800), default: "100", value: "posts",
        "Posts that the first poll of a timeline reads at most")
    static let postsPerDay = Setting(
        "TIMELINE_POSTS_PER_DAY", flag: "posts-per-day", .count(1...1_000_000), unset: "no limit", value: "posts",
        "Posts of an account that are paid on a day (UTC) at most")
    static let calls = Setting(
        "TIMELINE_CALLS", flag: "calls", .count(1...32), default: "4", "Calls at once, each on a connection of its own")
    static let expansions = Setting(
        "TIMELINE_EXPANSIONS", flag: "expansions", .list, default: "author_id", value: "names",
        "X's `expansions` of timelines; X may charge for each user and post that is included")
    static let keep = Setting(
        "TIMELINE_KEEP", flag: "keep", .notation("all, a number of posts, or a time such as 180d"), default: "800",
        "Which entries of each timeline stay in `timeline_entries`: the newest ones, or those of this time; tweets stay"
    )
    static let settings = [
        interval, longestInterval, firstPosts, postsPerDay, calls, expansions, keep, PostLimits.perDaySetting,
        PostLimits.perMonthSetting, PostLimits.resetDaySetting, ServiceSettings.drain,
    ]
}

/// Where `tweet-timelines run` answers requests for metrics and health.
enum ListeningSettings: SettingGroup {
    static let title = "Metrics and health"
    static let listen = ListenSettings.settings(port: 9466)
    static let settings = [
        listen.address, listen.token, HeartbeatSetting.setting, HealthLimits.degradedSetting,
        HealthLimits.failingSetting,
    ]
}

/// All settings of `tweet-timelines run`.
struct TimelineSettings: Sendable {
    var access: TokenAccess
    var publish: PublishSettings
    var journalFolder: String
    var journal: JournalOptions
    var archive: ArchiveOptions
    var interval: ClosedRange<Duration>
    var firstPosts: Int
    var postsPerDay: Int64?
    var calls: Int
    var expansions: [String]
    var keep: EntryKeep
    var limits: PostLimits
    var drain: Duration
    /// Where metrics and health are served; nil: nowhere.
    var listen: ListenSettings?
    /// How old what is pending may be.
    var health: HealthLimits
    /// How often the service journals that it lives; nil: never.
    var heartbeat: Duration?
    /// Where the log is sent as well; nil: nowhere.
    var logs: LogShippingSettings?

    /// How long a lease of an account lasts: less than an interval, so that an account whose poller was killed is polled within two.
    var lease: Duration { min(max(interval.lowerBound * 3 / 4, .seconds(6)), .seconds(45)) }
    /// Less than a lease, which is extended before each call.
    var callTimeout: Duration { lease * 2 / 3 }

    /// The name of the stream in journals, topics and tables.
    static let stream = "timelines"

    /// Reads every setting; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Throws: `SettingsError` when even `PG*` variables cannot be used.
    init(_ reader: inout SettingsReader) throws(SettingsError) {
        access = try TokenAccess(&reader)
        publish = PublishingSettings.read(&reader)
        (journalFolder, journal, archive) = JournalSettings.read(&reader)
        let shortest = reader.duration(ReadingSettings.interval)
        let longest = reader.duration(ReadingSettings.longestInterval)
        if shortest < .seconds(1) || longest < shortest {
            reader.addMistake(
                "\(ReadingSettings.longestInterval.title) must not be shorter than \(ReadingSettings.interval.title), and"
                    + " that not than 1s")
        }
        interval = shortest...max(shortest, longest)
        firstPosts = reader.int(ReadingSettings.firstPosts)
        postsPerDay = reader.optionalInt(ReadingSettings.postsPerDay).map { Int64($0) }
        calls = reader.int(ReadingSettings.calls)
        expansions = reader.text(ReadingSettings.expansions).split(separator: ",").map { $0.trimmed }
        keep = reader.value(ReadingSettings.keep, EntryKeep.init(setting:)) ?? .all
        limits = PostLimits(&reader)
        listen = ListenSettings.read(&reader, ListeningSettings.listen)
        health = HealthLimits.read(&reader)
        heartbeat = HeartbeatSetting.read(&reader)
        drain = reader.duration(ServiceSettings.drain)
        logs = LogShippingSettings.read(&reader)
    }
}
