internal import CPostgres

extension PostgresConnection {
    /// How a connection is encrypted, and between whom.
    package struct Encryption: Sendable {
        /// The server's address as libpq has used it; empty for a socket of this host.
        package let host: String
        package let port: Int
        /// The version of TLS; nil without it.
        package let version: String?
        /// `sslmode`.
        package let mode: String
        /// The file of our certificate (`sslcert`); nil when it is not set.
        package let certificate: String?
    }

    /// How this connection is encrypted.
    package var encryption: Encryption {
        func text(_ value: UnsafePointer<CChar>?) -> String? {
            unsafe value.map { unsafe String(cString: $0) }
        }
        let isEncrypted = unsafe PQsslInUse(handle) == 1
        let host = unsafe text(PQhost(handle)) ?? ""
        let options = options(["sslmode", "sslcert"])
        return unsafe Encryption(
            // A folder is that of a socket.
            host: host.hasPrefix("/") ? "" : host, port: Int(text(PQport(handle)) ?? "") ?? 5432,
            version: isEncrypted ? text(PQsslAttribute(handle, "protocol")) ?? "TLS" : nil,
            mode: options["sslmode"] ?? "prefer", certificate: isEncrypted ? options["sslcert"] : nil)
    }
}
