import Core
import XAPI

/// How to read the filtered stream.
package struct StreamSettings: Sendable {
    /// The name under which lines are journalled and counted.
    package var stream: String
    package var x: XSettings
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
    /// How long the posts must have been too few to be told as that; nil: never.
    package var quietAfter: Duration? = .seconds(300)
    /// The account's contract.
    package var plan = AccountPlan.selfServe
    /// The rules to add when X has none at all; nil to wait until somebody adds some.
    package var rules: StreamRules?
    /// How gaps are filled.
    package var repair = RepairSettings()
    /// Where this host's locks of credentials are.
    package var lockFolder = CredentialLock.defaultFolder

    package static let streamSetting = Setting("STREAM_NAME", flag: "stream")
    package static let stallTimeoutSetting = Setting("X_STALL_TIMEOUT", flag: nil)
    package static let lineLimitSetting = Setting("X_LINE_LIMIT", flag: nil)
    package static let connectBudgetSetting = Setting("X_CONNECT_BUDGET", flag: nil)
    package static let backoffScaleSetting = Setting("X_BACKOFF_SCALE", flag: nil)
    package static let quietAfterSetting = Setting("X_QUIET_AFTER", flag: nil)

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
    package init(_ reader: inout SettingsReader) {
        let name = reader.string(Self.streamSetting, default: "default")
        if !StreamName.isValid(name) {
            reader.addMistake("\(reader.origin(Self.streamSetting)): '\(name)' is not \(StreamName.rule)")
        }
        var fields: [StreamFields: [String]] = [:]
        for parameter in StreamFields.allCases { fields[parameter] = parameter.read(&reader) }
        let stallTimeout = reader.duration(Self.stallTimeoutSetting, default: .seconds(25))
        if stallTimeout < .milliseconds(100) {
            reader.addMistake("\(reader.origin(Self.stallTimeoutSetting)): less than 100ms would drop every connection")
        }
        self.init(
            stream: name, x: XSettings(&reader), fields: fields, stallTimeout: stallTimeout,
            lineLimit: reader.bytes(Self.lineLimitSetting, default: 4 << 20),
            connectBudget: reader.int(Self.connectBudgetSetting, default: 40, in: 1...1_000_000),
            backoffScale: Self.readScale(&reader))
        posts = PostLimits(&reader)
        plan = AccountPlan.read(&reader)
        repair = RepairSettings(&reader)
        lockFolder = reader.string(CredentialLock.folderSetting, default: CredentialLock.defaultFolder)
        quietAfter = reader.value(
            Self.quietAfterSetting, default: quietAfter, expected: "a time such as 5m, or off"
        ) { text -> Duration?? in text == "off" ? .some(nil) : Duration(setting: text).map { $0 } }
        if lineLimit < 65_536 || lineLimit > 1 << 30 {
            reader.addMistake(
                "\(reader.origin(Self.lineLimitSetting)): \(lineLimit) bytes is not between 64KiB and 1GiB")
        }
    }

    private static func readScale(_ reader: inout SettingsReader) -> Double {
        guard let text = reader.string(backoffScaleSetting) else { return 1 }
        if let scale = Double(text), (0.0001...100).contains(scale) { return scale }
        reader.addMistake("\(reader.origin(backoffScaleSetting)): '\(text)' is not a number from 0.0001 to 100")
        return 1
    }
}
