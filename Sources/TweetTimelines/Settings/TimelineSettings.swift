import Core
import Journal
import Postgres
import Publishing
import XAPI

/// How timelines are read; settings of `run`.
enum ReadingSettings: SettingGroup {
    static let title = "Timelines"
    static let interval = Setting(
        "TIMELINE_INTERVAL", flag: "interval", .duration, default: "60s", "Shortest time between two polls of a timeline")
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
    static let settings = [
        interval, longestInterval, firstPosts, postsPerDay, calls, expansions, PostLimits.perDaySetting,
        PostLimits.perMonthSetting, ServiceSettings.drain,
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
    var limits: PostLimits
    var drain: Duration

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
        limits = PostLimits(
            perDay: reader.optionalInt(PostLimits.perDaySetting).map { Int64($0) },
            perMonth: reader.optionalInt(PostLimits.perMonthSetting).map { Int64($0) })
        drain = reader.duration(ServiceSettings.drain)
    }
}
