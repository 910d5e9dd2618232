internal import CPostgres
import Core
import Glibc

/// Finds what is wrong with a connection string before it is used, and says so without showing any of its values.
///
/// libpq's own errors quote their input, and one unescaped character moves a part of the password into host, port or
/// database. So neither libpq's words nor values are shown: only names of options, and the character to escape.
enum ConninfoCheck {
    /// Why libpq cannot read `text`, given what libpq says about it.
    static func reason(_ text: String, libpq message: String) -> String {
        shapeMistake(text) ?? optionMistake(text, message) ?? generalHint(text)
    }

    /// What is wrong with the text as it stands, whatever libpq makes of it; nil when nothing is.
    static func shapeMistake(_ text: String) -> String? {
        if let first = text.first, "\"'".contains(first) {
            return "the value is in quotation marks; remove them (`docker --env-file` keeps quotes)"
        }
        if text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) {
            return "it contains a line break or another control character; remove it"
        }
        guard let scheme = scheme(of: text) else {
            let hasScheme = text.hasPrefix("postgres:") || text.hasPrefix("postgresql:")
            return hasScheme ? "two slashes must follow the scheme: postgresql://" : nil
        }
        guard ["postgresql", "postgres"].contains(scheme.name) else {
            return "the scheme \(scheme.name):// is not PostgreSQL's; write postgresql://"
        }
        return authorityMistake(scheme.rest)
    }

    /// User info ends at the first `@`, and only before the first `/` (libpq, conninfo_uri_parse_options).
    private static func authorityMistake(_ rest: Substring) -> String? {
        let end = rest.firstIndex { $0 == "@" || $0 == "/" } ?? rest.endIndex
        let hasUser = end < rest.endIndex && rest[end] == "@"
        let behind = hasUser ? rest[rest.index(after: end)...] : rest
        let server = behind.prefix { $0 != "?" }
        guard server.contains("@") || misplacedQuery(behind) else { return nil }
        let userInfo = rest.lastIndex(of: "@").map { rest[..<$0] } ?? rest
        let escapes = ["@": "%40", "/": "%2F", "?": "%3F"].sorted { $0.key < $1.key }
        let found = escapes.filter { userInfo.contains($0.key) }
        let remedy = found.map { "\($0.key) as \($0.value)" }.joined(separator: ", ")
        return "user or password contains a special character of URIs; write \(remedy) there"
    }

    /// Whether `?` comes before the database and an `@` comes after it: it stands in the password then.
    private static func misplacedQuery(_ text: Substring) -> Bool {
        guard let question = text.firstIndex(of: "?") else { return false }
        let first = text[text.index(after: question)...].prefix { $0 != "&" }
        return first.contains("@") && !first.contains("=") || first.prefix { $0 != "=" }.contains("@")
    }

    private static func scheme(of text: String) -> (name: String, rest: Substring)? {
        guard let mark = text.firstRange(of: "://"), mark.lowerBound > text.startIndex else { return nil }
        let name = text[..<mark.lowerBound]
        let isName = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || [43, 45, 46].contains(byte)
        }
        return isName ? (String(name), text[mark.upperBound...]) : nil
    }

    /// Which file of TLS that is named cannot be read; nil when all can be.
    ///
    /// libpq passes over a missing file unless it cannot do without, and then connects with less than was asked for.
    ///
    /// - Parameters:
    ///   - mode: `sslmode`; without TLS no file counts.
    ///   - value: the value of an option, from the connection string or else from its variable.
    /// - Returns: the option, its file and why it cannot be read.
    static func fileMistake(mode: String?, value: (String) -> String?) -> String? {
        guard mode != "disable" else { return nil }
        for option in ["sslrootcert", "sslcert", "sslkey"] {
            guard let path = value(option), !path.isEmpty, !(option == "sslrootcert" && path == "system"),
                // `ENGINE:KEY` names a key in hardware.
                !(option == "sslkey" && path.contains(":"))
            else { continue }
            guard unsafe access(path, R_OK) != 0 else { continue }
            let reason = unsafe String(cString: strerror(errno))
            return "\(option): \(path): \(reason); name a file that exists and is readable"
        }
        return nil
    }

    // MARK: Options

    private static func optionMistake(_ text: String, _ message: String) -> String? {
        for prefix in ["invalid connection option \"", "invalid URI query parameter: \""]
        where message.hasPrefix(prefix) {
            let name = message.dropFirst(prefix.utf8.count).prefix { $0 != "\"" }
            guard canBeShown(name, in: text) else {
                return "an option after the password is unknown to libpq"
            }
            let near = nearest(String(name), among: knownOptions).map { "; did you mean \($0)?" } ?? ""
            return "invalid connection option \"\(name)\"\(near)"
        }
        return nil
    }

    /// A name can be a part of a password only where it stands behind one, or in front of an `@`.
    private static func canBeShown(_ name: Substring, in text: String) -> Bool {
        let isName = name.utf8.allSatisfy {
            (97...122).contains($0) || (65...90).contains($0) || $0 == UInt8(ascii: "_")
        }
        guard isName, name.utf8.count <= 32, let place = text.firstRange(of: name) else { return false }
        return !text[..<place.lowerBound].contains("password") && !text[place.lowerBound...].contains("@")
    }

    /// The names of libpq's options.
    static let knownOptions: [String] = {
        guard let options = unsafe PQconndefaults() else { return [] }
        defer { unsafe PQconninfoFree(options) }
        var names: [String] = []
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            unsafe names.append(String(cString: keyword))
            unsafe option += 1
        }
        return names
    }()

    private static func generalHint(_ text: String) -> String {
        if scheme(of: text) != nil { return "a % that is not followed by two hexadecimal digits is written %25" }
        if !text.contains("=") { return "it is neither a URI (postgresql://…) nor pairs of key=value" }
        return "a value with spaces or quotation marks is written in single quotes: password='…' (\\' and \\\\ inside)"
    }

    // MARK: Values

    /// What libpq can never use, of the options it has read; nil when it may work.
    ///
    /// libpq checks values only when it connects. An address that cannot be one ends that before anything is sent or any
    /// name is looked up.
    static func valueMistake(_ options: [String: String], host: String?, address: String?, port: String?) -> String? {
        if let mistake = serverMistake(host: host, address: address, port: port) { return mistake }
        var parameters = options
        (parameters["host"], parameters["hostaddr"], parameters["port"]) = ("-", "-", "5432")
        // It would only warn about the file's permissions, once more.
        parameters["passfile"] = nil
        if parameters["password"]?.isEmpty != false { parameters["password"] = "-" }
        let message = PostgresConnection.failureOfStarting(parameters.map { ($0.key, $0.value) })
        guard !message.contains("could not parse network address \"-\"") else { return nil }
        if let name = knownOptions.first(where: { message.hasPrefix("invalid \($0) value") }) {
            return "\(name) has a value that libpq does not accept" + (choices[name].map { "; use one of \($0)" } ?? "")
        }
        if let name = knownOptions.first(where: { message.contains("\"\($0)\"") }) {
            return "\(name) has a value that libpq does not accept"
        }
        // Of a service file libpq names only the file, the line and the service.
        return Redaction.clean(message)
    }

    private static let choices = ["sslmode": "disable, allow, prefer, require, verify-ca, verify-full"]

    private static func serverMistake(host: String?, address: String?, port: String?) -> String? {
        let hosts = (host ?? "").split(separator: ",", omittingEmptySubsequences: false)
        let isBad = hosts.contains { host in
            // A path or an abstract name is a socket on this machine.
            guard let first = host.first, first != "/", first != "@" else { return false }
            return host.contains { $0.isWhitespace || "@/?#'\"".contains($0) }
        }
        if isBad {
            return "the host contains an invalid character; in user or password write @ as %40, / as %2F, # as %23"
        }
        let ports = (port ?? "").split(separator: ",", omittingEmptySubsequences: false)
        guard ports.allSatisfy({ $0.isEmpty || UInt16($0) ?? 0 > 0 }) else {
            return
                "the port is not a number from 1 to 65535; if it is a part of the password, write / as %2F, @ as %40"
        }
        let servers = max(hosts.count, (address ?? "").split(separator: ",", omittingEmptySubsequences: false).count)
        return ports.count > 1 && ports.count != servers ? "\(ports.count) ports for \(servers) hosts" : nil
    }
}
