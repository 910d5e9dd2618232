internal import CPostgres
import Core

/// Where PostgreSQL is and how to get in: a libpq connection string, taken verbatim.
///
/// Everything that libpq knows works: URI and `key=value` form, `PG*` variables, service and password files, several hosts
/// (libpq, "Connection Strings"). What the user leaves open gets defaults that notice a dead server within seconds.
package struct PostgresConninfo: Sendable {
    /// One server of a connection string that names several.
    struct Server: Sendable {
        var host: String?
        var address: String?
        var port: String?
    }

    private let text: Secret
    let servers: [Server]
    /// How long one connection attempt to one server may take; nil: without limit.
    let connectTimeout: Duration?
    /// Host, port and database, without user and password, for messages.
    package let place: String
    /// Whether a service file is used (`service` or PGSERVICE).
    let hasService: Bool
    private let defaults: [(String, String)]
    /// How long one statement may run on the server (statement_timeout); nil: without limit.
    package var statementTimeout: Duration? = .seconds(60)
    /// How much later than the server's time-out a client stops waiting, at most: a server that hangs cannot keep its own.
    package var answerGrace = Duration.seconds(5)

    /// - Parameters:
    ///   - text: URI or `key=value` pairs; empty leaves everything to `PG*`.
    ///   - environment: where `PG*` is looked up for the defaults of this type; libpq itself reads the process's.
    /// - Throws: `SettingsError` when libpq cannot read it or can never use it; the message shows names, never values.
    package init(
        _ text: String, environment: [String: String] = ProcessEnvironment.current
    ) throws(SettingsError) {
        let text = text.trimmed
        self.text = Secret(text)
        let given = try Self.parse(text)
        func value(_ key: String, _ variable: String) -> String? { given[key] ?? environment[variable] }
        for secret in [given["password"], given["sslpassword"], environment["PGPASSWORD"]].compactMap({ $0 }) {
            Redaction.remember(secret)
        }
        let mistake =
            ConninfoCheck.valueMistake(
                given, host: value("host", "PGHOST"), address: value("hostaddr", "PGHOSTADDR"),
                port: value("port", "PGPORT"))
            ?? ConninfoCheck.fileMistake(mode: value("sslmode", "PGSSLMODE")) { value($0, "PG\($0.uppercased())") }
        if let mistake { throw SettingsError("\(Self.name): \(mistake)") }
        servers = Self.servers(
            host: value("host", "PGHOST"), address: value("hostaddr", "PGHOSTADDR"), port: value("port", "PGPORT"))
        let seconds = value("connect_timeout", "PGCONNECT_TIMEOUT").flatMap(Int.init) ?? 5
        connectTimeout = seconds > 0 ? .seconds(max(seconds, 2)) : nil
        let host = value("host", "PGHOST") ?? value("hostaddr", "PGHOSTADDR") ?? "local socket"
        place =
            "\(host) port \(value("port", "PGPORT") ?? "5432") database \(value("dbname", "PGDATABASE") ?? "(default)")"
        hasService = value("service", "PGSERVICE") != nil
        // A dead peer is noticed in about 25 s while we wait, and in 30 s while we send (tcp(7)).
        defaults = [
            ("tcp_user_timeout", "30000"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("fallback_application_name", "tweet-loader"),
        ]
    }

    /// Key words and values for one server, in libpq's order: the later one wins.
    func parameters(for server: Server) -> [(String, String)] {
        var result = defaults + [("dbname", text.value)]
        if let host = server.host { result.append(("host", host)) }
        if let address = server.address { result.append(("hostaddr", address)) }
        if let port = server.port { result.append(("port", port)) }
        // Tweets are UTF-8; any other encoding would garble them.
        result.append(("client_encoding", "UTF8"))
        return result
    }

    private static func parse(_ text: String) throws(SettingsError) -> [String: String] {
        var message: UnsafeMutablePointer<CChar>?
        if let mistake = ConninfoCheck.shapeMistake(text) { throw unreadable(mistake) }
        guard let options = unsafe PQconninfoParse(text, &message) else {
            defer { unsafe PQfreemem(message) }
            let said = unsafe message.map { unsafe String(cString: $0) } ?? "out of memory"
            throw unreadable(ConninfoCheck.reason(text, libpq: said))
        }
        defer { unsafe PQconninfoFree(options) }
        var result: [String: String] = [:]
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val {
                unsafe result[String(cString: keyword)] = String(cString: value)
            }
            unsafe option += 1
        }
        return result
    }

    /// The setting that holds it.
    package static let setting = Setting(
        "DATABASE_URL", flag: "database", .secret, unset: "PG* variables", value: "url",
        "PostgreSQL: postgresql://USER@HOST/DATABASE or 'host=… dbname=…'; PG* variables, service and password files count, too"
    )

    private static let name = setting.title

    private static func unreadable(_ reason: String) -> SettingsError {
        SettingsError(
            "\(name) is not a PostgreSQL connection string: \(reason)\n"
                + "write postgresql://USER@HOST:5432/DATABASE or 'host=HOST dbname=DATABASE'")
    }

    /// One entry for each of several comma-separated hosts; a single one without overrides otherwise.
    private static func servers(host: String?, address: String?, port: String?) -> [Server] {
        func list(_ text: String?) -> [String] {
            text?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
        }
        let (hosts, addresses, ports) = (list(host), list(address), list(port))
        let count = max(hosts.count, addresses.count)
        guard count > 1 else { return [Server()] }
        return (0..<count).map { index in
            Server(
                host: index < hosts.count ? hosts[index] : nil,
                address: index < addresses.count ? addresses[index] : nil,
                port: ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : nil)
        }
    }
}
