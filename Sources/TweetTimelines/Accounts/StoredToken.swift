import Core
import Postgres

/// The token of an account, decrypted.
struct StoredToken: Sendable {
    /// How calls are authenticated.
    enum Kind: String, CaseIterable, Sendable {
        case oauth2, oauth1
    }

    let account: Int64
    let kind: Kind
    /// The app that it belongs to.
    let client: String
    let access: Secret
    /// The refresh token; of OAuth 1.0a the token's secret.
    let refresh: Secret?
    /// Nil when it is not known, or never.
    let expiresAt: Timestamp?
    /// Counts the changes of the row.
    let version: Int64
    /// How long ago X first rejected it; nil while it has not.
    let rejectedFor: Duration?

    /// Whether the access token must be replaced before a call: when less than 5 minutes are left.
    func isExpiring(at now: Timestamp) -> Bool {
        guard kind == .oauth2, refresh != nil, let expiresAt else { return false }
        return expiresAt < now.advanced(by: .seconds(300))
    }
}

/// The tokens in the database.
struct TokenStore: Sendable {
    let vault: TokenVault

    /// A token as it is stored now.
    enum Found: Sendable {
        case token(StoredToken)
        case missing
        /// It is encrypted with a key that this process does not have, or was altered.
        case unreadable(String)
    }

    private static let columns = """
        user_id, kind, client_id, access, refresh, key_id, version, (extract(epoch FROM expires_at) * 1000)::bigint,
        (extract(epoch FROM now() - dead_since) * 1000)::bigint, access_token, refresh_token
        """

    /// Reads a token; one in clear is encrypted.
    ///
    /// - Parameters:
    ///   - account: whose it is.
    ///   - isLocked: whether the row is locked until the end of the transaction.
    ///   - connection: to the database.
    /// - Returns: the token.
    /// - Throws: `PostgresError`.
    func token(
        of account: Int64, locking isLocked: Bool = false, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Found {
        let lock = isLocked ? " FOR NO KEY UPDATE" : ""
        let sql = "SELECT \(Self.columns) FROM x_tokens WHERE user_id = $1"
        var answer = try connection.query(sql + lock, ["\(account)"], doing: "read a token")
        guard answer.rowCount == 1 else { return .missing }
        if let clear = answer.text(0, 9) {
            try encrypt(
                account, Secret(clear), answer.text(0, 10).map { Secret($0) }, client: answer.text(0, 2) ?? "",
                version: answer.integer(0, 6) ?? 0, connection)
            answer = try connection.query(sql, ["\(account)"], doing: "read a token")
            guard answer.rowCount == 1, answer.text(0, 9) == nil else { return .missing }
        }
        return decrypted(answer)
    }

    private func decrypted(_ row: borrowing PostgresResult) -> Found {
        let account = row.integer(0, 0) ?? 0
        let client = row.text(0, 2) ?? ""
        let key = row.integer(0, 5).flatMap { Int16(exactly: $0) } ?? 0
        guard vault.has(key) else {
            return .unreadable("the token is encrypted with key \(key), which this process does not have")
        }
        func open(_ place: Int, _ column: TokenVault.Column) -> Secret? {
            row.text(0, place).flatMap { hexDecoded($0) }.flatMap {
                vault.open($0, of: account, column, client: client)
            }
        }
        let refresh = open(4, .refresh)
        guard let access = open(3, .access), refresh != nil || row.text(0, 4) == nil else {
            return .unreadable("the token is not one that was encrypted for this account and app")
        }
        return .token(
            StoredToken(
                account: account, kind: StoredToken.Kind(rawValue: row.text(0, 1) ?? "") ?? .oauth2, client: client,
                access: access, refresh: refresh,
                expiresAt: row.integer(0, 7).map { Timestamp(milliseconds: $0) }, version: row.integer(0, 6) ?? 0,
                rejectedFor: row.integer(0, 8).map { .milliseconds($0) }))
    }

    /// Takes note that X has accepted a token that it had rejected before.
    ///
    /// - Throws: `PostgresError`.
    func accept(_ token: StoredToken, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        guard token.rejectedFor != nil else { return }
        _ = try connection.query(
            "UPDATE x_tokens SET dead_since = NULL WHERE user_id = $1 AND version = $2",
            ["\(token.account)", "\(token.version)"], doing: "note that a token is accepted")
    }

    /// Encrypts every token in clear.
    ///
    /// - Returns: how many there were.
    /// - Throws: `PostgresError`.
    func encryptAll(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Int {
        let answer = try connection.query(
            """
            SELECT user_id, access_token, refresh_token, client_id, version FROM x_tokens
            WHERE access_token IS NOT NULL
            """, doing: "look for tokens in clear")
        for row in 0..<answer.rowCount {
            guard let account = answer.integer(row, 0), let access = answer.text(row, 1) else { continue }
            try encrypt(
                account, Secret(access), answer.text(row, 2).map { Secret($0) }, client: answer.text(row, 3) ?? "",
                version: answer.integer(row, 4) ?? 0, connection)
        }
        return answer.rowCount
    }

    private func encrypt(
        _ account: Int64, _ access: Secret, _ refresh: Secret?, client: String, version: Int64,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            UPDATE x_tokens SET access = $3, refresh = $4, key_id = $5, access_token = NULL, refresh_token = NULL,
                version = version + 1
            WHERE user_id = $1 AND version = $2 AND access_token IS NOT NULL
            """,
            ["\(account)", "\(version)"] + sealed(account, access, refresh, client), doing: "encrypt a token")
    }

    /// Ciphertexts and number of the key, as parameters of a query.
    func sealed(_ account: Int64, _ access: Secret, _ refresh: Secret?, _ client: String) -> [String?] {
        [
            byteaLiteral(vault.seal(access, of: account, .access, client: client)),
            refresh.map { byteaLiteral(vault.seal($0, of: account, .refresh, client: client)) }, "\(vault.current)",
        ]
    }

    /// Encrypts a token again that is encrypted with a different key than the current one.
    ///
    /// - Returns: whether it was this version's, and is under the current key now.
    /// - Throws: `PostgresError`.
    func rekey(
        _ token: StoredToken, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let answer = try connection.query(
            """
            UPDATE x_tokens SET access = $3, refresh = $4, key_id = $5, version = version + 1
            WHERE user_id = $1 AND version = $2
            """,
            ["\(token.account)", "\(token.version)"] + sealed(token.account, token.access, token.refresh, token.client),
            doing: "encrypt a token again")
        return answer.affectedRows == 1
    }
}
