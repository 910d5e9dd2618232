/// What libpq fails at by itself, without a server's SQLSTATE, and only an operator can change.
///
/// libpq has no codes for these, only texts (fe-connect.c, fe-secure-openssl.c, fe-auth.c). They are English here, because no
/// program of this project calls setlocale(3). A text that is not listed counts as an outage, which is retried.
package enum PostgresLocalFailure: Sendable, Equatable {
    /// A setting, or a file that a setting names, that libpq can never use.
    case settings
    /// No password is known, or the server wants a method of authentication that is not possible here.
    case credentials

    /// Nil when waiting may help.
    init?(message: String) {
        if Self.credentialTexts.contains(where: message.contains) {
            self = .credentials
        } else if Self.settingTexts.contains(where: message.contains) || Self.namesImpossibleHost(message) {
            self = .settings
        } else {
            return nil
        }
    }

    private static let credentialTexts = [
        "no password supplied", "empty password returned", "requires a password", "authentication method requirement",
        "authentication not supported", "authentication required, but", "SCRAM authentication requires",
        "none of the server's SASL authentication mechanisms are supported",
    ]

    private static let settingTexts = [
        // Values of the connection string (connectOptions2).
        "invalid sslmode value", "invalid channel_binding value", "invalid gssencmode value",
        "invalid ssl_min_protocol_version value", "invalid ssl_max_protocol_version value",
        "invalid SSL protocol version range", "invalid target_session_attrs value", "invalid load_balance_hosts value",
        "invalid require_auth value", "invalid require_auth method", "invalid sslcertmode value",
        "invalid sslnegotiation value", "invalid sslsni value", "invalid replication value",
        "invalid max_protocol_version value", "invalid min_protocol_version value",
        "may not be used with sslrootcert=system",
        "invalid when SSL support is not compiled in", "invalid when GSSAPI support is not compiled in",
        "invalid port number", "invalid integer value", "could not match", "could not parse network address",
        "Unix-domain socket path", "host name must be specified for a verified SSL connection",
        "invalid connection option", "could not parse connection option",
        // Service files.
        "definition of service", "service file", "nested service specifications not supported",
        // Files of TLS, and what the two sides demand of each other.
        "root certificate file", "could not get home directory", "could not read root certificate",
        "could not load root certificate", "could not open certificate file", "could not read certificate file",
        "could not load private key file", "private key file", "certificate does not match private key file",
        "certificate present, but not private key file", "could not load SSL engine",
        "could not initialize SSL engine", "could not read private SSL key", "could not load private SSL key",
        "certificate verify failed", "server certificate for",
        "could not get server's host name from server certificate",
        "server does not support SSL, but SSL was required",
        "server does not support GSSAPI encryption, but it was required",
        "GSSAPI encryption required but", "channel binding required", "channel binding is required",
    ]

    /// Whether a name was looked up that no host can have, as an unescaped `@`, `/` or `?` in a password makes it.
    private static func namesImpossibleHost(_ message: String) -> Bool {
        let parts = message.components(between: "could not translate host name \"", and: "\" to address")
        return parts.contains { $0.isEmpty || $0.contains { "@/?#:%\\ \"'".contains($0) } }
    }
}

extension String {
    /// Every text that stands between the two.
    fileprivate func components(between start: String, and end: String) -> [Substring] {
        split(separator: start, omittingEmptySubsequences: false).dropFirst().compactMap { rest in
            rest.firstRange(of: end).map { rest[..<$0.lowerBound] }
        }
    }
}
