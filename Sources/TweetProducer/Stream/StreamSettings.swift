import FoundationEssentials

/// How to reach X: what the stream and the other endpoints have in common.
package struct XSettings: Sendable {
    /// The base URL without a slash at its end, `https://api.x.com`.
    package var url: String
    package var token: BearerToken
    /// A file of certificates (PEM) to trust instead of the system's, or nil.
    package var caFile: String?
    /// How long a connection may take, from the name lookup to the complete header of the answer.
    package var connectTimeout: Duration

    package static let urlSetting = Setting("X_URL", flag: "x-url")
    package static let caFileSetting = Setting("X_CA_FILE", flag: "x-ca-file")
    package static let connectTimeoutSetting = Setting("X_CONNECT_TIMEOUT", flag: nil)

    package init(url: String, token: BearerToken, caFile: String? = nil, connectTimeout: Duration = .seconds(10)) {
        self.url = url
        self.token = token
        self.caFile = caFile
        self.connectTimeout = connectTimeout
    }

    /// Reads the settings; mistakes are added to the reader's.
    package init(_ reader: inout SettingsReader) {
        url = reader.string(Self.urlSetting, default: "https://api.x.com")
        while url.hasSuffix("/") { url.removeLast() }
        if let mistake = Self.mistake(inURL: url) { reader.addMistake("\(reader.origin(Self.urlSetting)): \(mistake)") }
        token = BearerToken.read(&reader)
        caFile = reader.string(Self.caFileSetting)
        if let caFile {
            do { _ = try readWholeFile(caFile) } catch {
                reader.addMistake("\(reader.origin(Self.caFileSetting)): \(error)")
            }
        }
        connectTimeout = reader.duration(Self.connectTimeoutSetting, default: .seconds(10))
        for mistake in Proxies.mistakes(reader.environment) { reader.addMistake(mistake) }
    }

    private static func mistake(inURL text: String) -> String? {
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme), url.host()?.isEmpty == false,
            url.query() == nil, url.fragment() == nil
        else { return "'\(text)' is not an address such as https://api.x.com" }
        return url.user() == nil ? nil : "the address must not hold a user name or password"
    }
}

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
