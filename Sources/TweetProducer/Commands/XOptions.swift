import ArgumentParser
import Core
import XAPI

/// The flags of every subcommand that talks to X.
package struct XOptions: ParsableArguments {
    @Option(help: ArgumentHelp("X's base URL (X_URL; https://api.x.com).", valueName: "url"))
    package var xUrl: String?

    @Option(help: ArgumentHelp("Certificates (PEM) to trust instead of the system's (X_CA_FILE).", valueName: "file"))
    package var xCaFile: String?

    /// Required by the argument parser.
    public init() {}

    /// The flags that were given, by environment name.
    package var flags: [String: String] {
        [XSettings.urlSetting.environment: xUrl, XSettings.caFileSetting.environment: xCaFile].compactMapValues { $0 }
    }

    /// What the settings file may hold for these.
    package static let settings: [Setting] = [
        XSettings.urlSetting, BearerToken.valueSetting, BearerToken.fileSetting, XSettings.caFileSetting,
        XSettings.connectTimeoutSetting,
    ]
}

/// The flags of the subcommand that reads the stream, beside `XOptions`.
package struct StreamOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Name of the stream in journal and ledger (STREAM_NAME; default).", valueName: "name"))
    package var stream: String?

    @Option(
        help: ArgumentHelp(
            "Requested post fields: names with commas, all or none (X_TWEET_FIELDS; all).", valueName: "names"))
    package var tweetFields: String?

    @Option(help: ArgumentHelp("Requested expansions (X_EXPANSIONS; all).", valueName: "names"))
    package var expansions: String?

    @Option(help: ArgumentHelp("Requested user fields (X_USER_FIELDS; all).", valueName: "names"))
    package var userFields: String?

    @Option(help: ArgumentHelp("Requested media fields (X_MEDIA_FIELDS; all).", valueName: "names"))
    package var mediaFields: String?

    @Option(help: ArgumentHelp("Requested place fields (X_PLACE_FIELDS; all).", valueName: "names"))
    package var placeFields: String?

    @Option(
        help: ArgumentHelp(
            "Limit of posts on a UTC day, at which reading stops (MAX_POSTS_PER_DAY; no limit).", valueName: "posts"))
    package var maxPostsPerDay: String?

    @Option(
        help: ArgumentHelp(
            "Limit of posts in a billing cycle from X_CAP_RESET_DAY (MAX_POSTS_PER_MONTH; no limit).",
            valueName: "posts"))
    package var maxPostsPerMonth: String?

    @Option(
        help: ArgumentHelp(
            "Limit of posts that searches for gaps may return on a UTC day (X_REPAIR_MAX_POSTS; 0).", valueName: "posts"
        ))
    package var maxRepairPosts: String?

    @Option(help: ArgumentHelp("Requested poll fields (X_POLL_FIELDS; all).", valueName: "names"))
    package var pollFields: String?

    /// Required by the argument parser.
    public init() {}

    /// The flags that were given, by environment name.
    package var flags: [String: String] {
        let fields: [StreamFields: String?] = [
            .tweetFields: tweetFields, .expansions: expansions, .userFields: userFields, .mediaFields: mediaFields,
            .placeFields: placeFields, .pollFields: pollFields,
        ]
        var result: [String: String] = [:]
        for (parameter, text) in fields { result[parameter.setting.environment] = text }
        result[StreamSettings.streamSetting.environment] = stream
        result[RepairSettings.postsSetting.environment] = maxRepairPosts
        result[PostLimits.perDaySetting.environment] = maxPostsPerDay
        result[PostLimits.perMonthSetting.environment] = maxPostsPerMonth
        return result
    }

    /// What the settings file may hold for these.
    package static let settings: [Setting] =
        [StreamSettings.streamSetting] + StreamFields.allCases.map(\.setting) + [
            StreamSettings.stallTimeoutSetting, StreamSettings.lineLimitSetting,
            StreamSettings.connectBudgetSetting, StreamSettings.backoffScaleSetting,
            StreamSettings.quietAfterSetting, HostLock.folderSetting,
        ] + PostLimits.settings + RepairSettings.settings
}
