import Core
import Operations

/// Where the commands that watch the pipeline ask the services: `top` and the web console.
enum WatchSettings: SettingGroup {
    static let title = "Watching"
    static let producers = Setting(
        "PRODUCER_URL", flag: "producer-url", .notation(form), default: "http://127.0.0.1:9464", value: "urls",
        "Addresses (LISTEN) of the producers that are watched, with commas between them; `off`: none."
            + " STATUS_TOKEN_FILE is sent to them")
    static let loaders = Setting(
        "LOADER_URL", flag: "loader-url", .notation(form), default: "http://127.0.0.1:9465", value: "urls",
        "Addresses (LISTEN) of the loaders that are watched, with commas between them; `off`: none")
    static let settings = [producers, loaders]

    private static let form = "a list of addresses such as http://127.0.0.1:9464, or off"
}

/// The services that are watched, each by the question that asks it for `/status`.
struct WatchedServices: Sendable {
    var producers: [ServiceQuestion]
    var loaders: [ServiceQuestion]

    /// Reads the settings; errors are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: the services.
    static func read(_ reader: inout SettingsReader) -> WatchedServices {
        let token = reader.string(ListeningSettings.listen.token)
        func services(_ setting: Setting, _ reader: inout SettingsReader) -> [ServiceQuestion] {
            let found = reader.value(setting) { text in
                text == "off" ? [] : addresses(text, token: token)
            }
            return (found ?? []).map { ServiceQuestion($0) }
        }
        return WatchedServices(
            producers: services(WatchSettings.producers, &reader), loaders: services(WatchSettings.loaders, &reader))
    }

    /// Nil when one of them is no address of a service.
    private static func addresses(_ text: String, token: String?) -> [ListenSettings]? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmed }
        let found = parts.compactMap { ListenSettings(url: $0, tokenFile: token) }
        return found.count == parts.count ? found : nil
    }
}
