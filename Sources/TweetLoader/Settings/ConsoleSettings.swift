import Core
import Operations
import Postgres

/// Where and how `tweet-loader console` shows its pages.
enum ConsoleSettings: SettingGroup {
    static let title = "Console"
    static let listen = Setting(
        "CONSOLE_LISTEN", flag: "console-listen", .notation("an address such as 127.0.0.1:8080 or [::1]:8080"),
        default: "127.0.0.1:8080", value: "address", "Address at which `console` shows its pages")
    static let token = Setting(
        "CONSOLE_TOKEN_FILE", .file, unset: "no token on the loopback",
        "File with the token that readers of the pages need; must be set when CONSOLE_LISTEN is not a loopback address")
    static let hosts = Setting(
        "CONSOLE_HOSTS", flag: "console-hosts", .list, unset: "loopback names and the host of CONSOLE_LISTEN",
        "Further names by which browsers may reach the pages, such as that of a proxy")
    static let timeout = Setting(
        "CONSOLE_TIMEOUT", flag: "console-timeout", .duration, default: "5s",
        "Time that all queries of a page may take together, 1s to 60s")
    static let settings = [listen, token, hosts, timeout, PostPrice.setting]
}

/// The settings of the console, read once at the start.
struct ConsoleConfiguration: Sendable {
    var conninfo: PostgresConninfo
    var listen: ListenSettings
    /// Names without ports, in lower case, by which it may be reached beside the loopback's.
    var hosts: Set<String>
    /// The time that all queries of a page may take together.
    var timeout: Duration
    var postPrice: Double
    /// The services that are asked for what they know now.
    var services: WatchedServices
    /// Whether the operator has named them: then one that does not answer is worth a line.
    var isWatching: Bool

    /// Reads the settings; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Throws: `SettingsError` when even `PG*` variables cannot be used.
    init(_ reader: inout SettingsReader) throws(SettingsError) {
        conninfo = try DatabaseSettings.conninfo(&reader)
        let address = ListenSettings.read(&reader, (ConsoleSettings.listen, ConsoleSettings.token))
        if address == nil, reader.string(ConsoleSettings.listen) == "off" {
            reader.addMistake(
                "\(reader.origin(ConsoleSettings.listen)): 'off' is not an address such as 127.0.0.1:8080 or [::1]:8080"
            )
        }
        listen = address ?? ListenSettings(host: "127.0.0.1", port: 8080)
        let names = reader.text(ConsoleSettings.hosts).split(separator: ",").map { $0.lowercased().trimmed }
        hosts = Set(names).union([listen.host.lowercased()])
        timeout = reader.duration(ConsoleSettings.timeout)
        postPrice = PostPrice.read(&reader).dollars
        services = WatchedServices.read(&reader)
        let named = [WatchSettings.producers, WatchSettings.loaders].map { reader.string($0) }
        isWatching = named.contains { $0 != nil }
        if !(.seconds(1)...Duration.seconds(60)).contains(timeout) {
            reader.addMistake("\(reader.origin(ConsoleSettings.timeout)): must be from 1s to 60s")
        }
    }
}
