import Core
import Postgres
import XAPI

/// The app at X, and the key that users' tokens are encrypted with; the same for all commands.
enum TokenSettings: SettingGroup {
    static let title = "App and tokens"
    static let clientID = Setting(
        "X_CLIENT_ID", flag: "client-id", .text, value: "id", "OAuth 2.0 client id of the app (console.x.com)")
    static let clientSecret = Setting(
        "X_CLIENT_SECRET", .secret, unset: "a public client", "OAuth 2.0 client secret of a confidential client")
    static let consumerKey = Setting(
        "X_CONSUMER_KEY", .text, "API key of the app, for OAuth 1.0a tokens alone")
    static let consumerSecret = Setting(
        "X_CONSUMER_SECRET", .secret, "API key secret of the app, for OAuth 1.0a tokens alone")
    static let loginURL = Setting(
        "X_LOGIN_URL", flag: "login-url", .url, default: "https://x.com", "Base URL of the page on which users log in")
    static let callbackURL = Setting(
        "X_CALLBACK_URL", flag: "callback-url", .url, default: "http://127.0.0.1:8723/callback",
        "Callback URL, exactly as it is registered for the app")
    static let keyFile = Setting(
        "TIMELINE_KEY_FILE", flag: "key-file", .file,
        "File with the key that tokens are encrypted with: 32 bytes, or 64 hexadecimal digits; mode 0600")
    static let oldKeyFile = Setting(
        "TIMELINE_OLD_KEY_FILE", flag: "old-key-file", .file, unset: "none",
        "File with the key before the last change, until `accounts rekey` is done")
    static let settings = [
        XSettings.urlSetting, XSettings.caFileSetting, clientID, clientSecret, consumerKey, consumerSecret, loginURL,
        callbackURL, keyFile, oldKeyFile,
    ]
}

/// Where X, PostgreSQL and the key are, as every command that handles tokens needs them.
struct TokenAccess: Sendable {
    var conninfo: PostgresConninfo
    /// X's base URL, without a slash at its end.
    var url: String
    var caFile: String?
    var client: OAuthClient
    /// The app's part of an OAuth 1.0a signature; nil without `X_CONSUMER_KEY`.
    var consumer: OAuthClient?
    var loginURL: String
    var callbackURL: String
    var key: TokenKey?
    var oldKey: TokenKey?

    /// X's token endpoint.
    var endpoint: TokenEndpoint { TokenEndpoint(url: url, client: client, caFile: caFile) }

    /// Reads the settings; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Throws: `SettingsError` when even `PG*` variables cannot be used.
    init(_ reader: inout SettingsReader) throws(SettingsError) {
        conninfo = try DatabaseSettings.conninfo(&reader)
        url = Self.base(XSettings.urlSetting, &reader)
        caFile = reader.string(XSettings.caFileSetting)
        client = OAuthClient(
            id: reader.string(TokenSettings.clientID) ?? "",
            secret: reader.string(TokenSettings.clientSecret).map { Secret($0) })
        let consumerSecret = reader.string(TokenSettings.consumerSecret)
        if let key = reader.string(TokenSettings.consumerKey) {
            consumer = OAuthClient(id: key, secret: Secret(consumerSecret ?? ""))
        }
        if (consumer == nil) != (consumerSecret == nil) {
            reader.addMistake(
                "\(TokenSettings.consumerKey.title) and \(TokenSettings.consumerSecret.title) belong together; set both"
            )
        }
        loginURL = Self.base(TokenSettings.loginURL, &reader)
        callbackURL = reader.text(TokenSettings.callbackURL)
        key = Self.key(TokenSettings.keyFile, &reader)
        oldKey = Self.key(TokenSettings.oldKeyFile, &reader)
    }

    private static func base(_ setting: Setting, _ reader: inout SettingsReader) -> String {
        var url = reader.text(setting)
        while url.hasSuffix("/") { url.removeLast() }
        if !url.hasPrefix("https://"), !url.hasPrefix("http://") {
            reader.addMistake("\(reader.origin(setting)): '\(url)' is not an address such as https://api.x.com")
        }
        return url
    }

    private static func key(_ setting: Setting, _ reader: inout SettingsReader) -> TokenKey? {
        guard let path = reader.string(setting) else { return nil }
        do { return try TokenKey(file: path) } catch {
            reader.addMistake("\(reader.origin(setting)): \(error)")
            return nil
        }
    }
}
