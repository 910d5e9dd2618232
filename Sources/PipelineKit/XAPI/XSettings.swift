import Core
import FoundationEssentials
import HTTP

/// How to reach X: what the stream and the other endpoints have in common.
package struct XSettings: Sendable, SettingGroup {
    /// The base URL without a slash at its end, `https://api.x.com`.
    package var url: String
    package var token: BearerToken
    /// A file of certificates (PEM) to trust instead of the system's, or nil.
    package var caFile: String?
    /// How long a connection may take, from the name lookup to the complete header of the answer.
    package var connectTimeout: Duration

    package static let title = "X"
    package static let urlSetting = Setting(
        "X_URL", flag: "x-url", .url, default: "https://api.x.com", "X's base URL")
    package static let caFileSetting = Setting(
        "X_CA_FILE", flag: "x-ca-file", .file, unset: "the system's", "Certificates (PEM) to trust")
    package static let connectTimeoutSetting = Setting(
        "X_CONNECT_TIMEOUT", .duration, default: "10s", "Longest time from name lookup to the header of the answer")
    package static let settings = [
        urlSetting, BearerToken.fileSetting, BearerToken.valueSetting, caFileSetting, connectTimeoutSetting,
    ]

    package init(url: String, token: BearerToken, caFile: String? = nil, connectTimeout: Duration = .seconds(10)) {
        self.url = url
        self.token = token
        self.caFile = caFile
        self.connectTimeout = connectTimeout
    }

    /// Reads the settings; mistakes are added to the reader's.
    package init(_ reader: inout SettingsReader) {
        url = reader.text(Self.urlSetting)
        while url.hasSuffix("/") { url.removeLast() }
        if let mistake = Self.mistake(inURL: url) { reader.addMistake("\(reader.origin(Self.urlSetting)): \(mistake)") }
        token = BearerToken.read(&reader)
        caFile = reader.string(Self.caFileSetting)
        if let caFile {
            do { _ = try readWholeFile(caFile) } catch {
                reader.addMistake("\(reader.origin(Self.caFileSetting)): \(error)")
            }
        }
        connectTimeout = reader.duration(Self.connectTimeoutSetting)
        for mistake in Proxies.mistakes(reader.environment) { reader.addMistake(mistake) }
    }

    private static func mistake(inURL text: String) -> String? {
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme), url.host()?.isEmpty == false,
            url.query() == nil, url.fragment() == nil
        else { return "'\(text)' is not an address such as https://api.x.com" }
        return url.user() == nil ? nil : "the address must not hold a user name or password"
    }
}
