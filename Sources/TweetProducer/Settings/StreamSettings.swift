import Core
import XAPI

/// How to read the stream.
package struct StreamSettings: Sendable, SettingGroup {
    /// The name under which lines are journalled and counted.
    package var stream: String
    package var x: XSettings
    /// Which of X's streams.
    package var source = StreamSource.filtered
    /// The names asked for, by parameter; an empty list leaves the parameter out.
    package var fields: [StreamFields: [String]]
    /// How long nothing, not even a keep-alive, may come before the connection counts as dead.
    package var stallTimeout: Duration
    /// The longest line that is kept whole, in bytes.
    package var lineLimit: Int
    /// How many connection attempts 15 minutes may hold.
    package var connectBudget: Int
    /// How many posts may be received.
    package var posts = PostLimits()
    /// Multiplies every wait before a new connection; 1 is X's rule.
    package var backoffScale: Double
    /// How long the rate must be far below normal before `quiet` is logged; nil: never.
    package var quietAfter: Duration? = .seconds(300)
    /// The account's contract.
    package var plan = AccountPlan.selfServe
    /// The rules to add when X has none at all; nil to wait until rules are added.
    package var rules: StreamRules?
    /// Whether the posts of each minute are journalled, so that several listeners can be compared.
    package var countsMinutes = false
    /// How gaps are filled.
    package var repair = RepairSettings()
    /// Where this host's locks of credentials are, the same for every user (Filesystem Hierarchy Standard 3.0, section 5.9).
    package var lockFolder = "/run/lock"

    package static let title = "Stream"
    package static let streamSetting = Setting(
        "STREAM_NAME", flag: "stream", .text, default: "default", value: "name",
        "Name of the stream in journal, headers and ledger")
    package static let stallTimeoutSetting = Setting(
        "X_STALL_TIMEOUT", .duration, default: "25s",
        "Without a byte for this long the connection counts as dead; X sends a keep-alive every 20 s")
    package static let lineLimitSetting = Setting(
        "X_LINE_LIMIT", .bytes, default: "4MiB", "Longest line that is kept whole")
    package static let connectBudgetSetting = Setting(
        "X_CONNECT_BUDGET", .count(1...1_000_000), default: "40",
        "Connection attempts in 15 minutes, counted across restarts; X allows 50")
    package static let backoffScaleSetting = Setting(
        "X_BACKOFF_SCALE", .number(0.0001...100), default: "1",
        "Factor of every wait before a new connection, for tests")
    package static let quietAfterSetting = Setting(
        "X_QUIET_AFTER", .notation("a time such as 5m, or off"), default: "5m",
        "Log `quiet` when the rate stays far below normal for this long; `off`: never")
    package static let lockFolderSetting = Setting(
        "X_LOCK_DIR", .folder, default: "/run/lock",
        "Folder of the locks that let one process use a credential; the same for every producer of the host")
    package static let settings =
        [streamSetting] + StreamSource.settings + StreamFields.allCases.map(\.setting) + PostLimits.settings + [
            stallTimeoutSetting, lineLimitSetting, connectBudgetSetting, lockFolderSetting, quietAfterSetting,
        ] + RepairSettings.settings + [backoffScaleSetting]

    package init(
        stream: String = "default", x: XSettings, fields: [StreamFields: [String]]? = nil,
        stallTimeout: Duration = .seconds(25), lineLimit: Int = 4 << 20, connectBudget: Int = 40,
        backoffScale: Double = 1
    ) {
        self.stream = stream
        self.x = x
        self.fields = fields ?? Dictionary(uniqueKeysWithValues: StreamFields.allCases.map { ($0, $0.all) })
        self.stallTimeout = stallTimeout
        self.lineLimit = lineLimit
        self.connectBudget = connectBudget
        self.backoffScale = backoffScale
    }

    /// Reads the settings; mistakes are added to the reader's.
    ///
    /// - Parameters:
    ///   - reader: the settings.
    ///   - repairPosts: as what the number of posts for repairs is declared.
    package init(_ reader: inout SettingsReader, repairPosts: Setting = RepairSettings.postsSetting) {
        let name = reader.text(Self.streamSetting)
        if !StreamName.isValid(name) {
            reader.addMistake("\(reader.origin(Self.streamSetting)): '\(name)' is not \(StreamName.rule)")
        }
        var fields: [StreamFields: [String]] = [:]
        for parameter in StreamFields.allCases { fields[parameter] = parameter.read(&reader) }
        let stallTimeout = reader.duration(Self.stallTimeoutSetting)
        if stallTimeout < .milliseconds(100) {
            reader.addMistake(
                "\(reader.origin(Self.stallTimeoutSetting)): must be at least 100ms: a shorter time would drop every connection"
            )
        }
        self.init(
            stream: name, x: XSettings(&reader), fields: fields, stallTimeout: stallTimeout,
            lineLimit: reader.bytes(Self.lineLimitSetting),
            connectBudget: reader.int(Self.connectBudgetSetting),
            backoffScale: reader.number(Self.backoffScaleSetting))
        source = StreamSource.read(&reader)
        posts = PostLimits(&reader)
        plan = AccountPlan.read(&reader)
        repair = RepairSettings(&reader, posts: repairPosts)
        lockFolder = reader.text(Self.lockFolderSetting)
        quietAfter =
            reader.value(Self.quietAfterSetting) { text -> Duration?? in
                text == "off" ? .some(nil) : Duration(setting: text).map { $0 }
            } ?? nil
        if lineLimit < 65_536 || lineLimit > 1 << 30 {
            reader.addMistake(
                "\(reader.origin(Self.lineLimitSetting)): \(lineLimit) bytes is not between 64KiB and 1GiB")
        }
    }
}
