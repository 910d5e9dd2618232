import Core
import Postgres

/// Whether an account's timelines are read, as `x_accounts.state` has it.
enum AccountState: String, Codable, CaseIterable, Sendable {
    case active, paused, limited, failing, revoked, suspended
    case loginNeeded = "login_needed"

    /// States in which timelines are polled, for SQL: a suspended account once a day, because X may undo that.
    static let polled = "('active', 'limited', 'failing', 'suspended')"
    /// States that end with the next page, for SQL.
    static let passing = "('limited', 'failing', 'suspended')"
}

/// Accounts in the database, as commands list and change them.
enum AccountBook {
    /// An account for people and programs; it has no member that could hold a token.
    struct Entry: Encodable, Sendable {
        let userID: String
        let username: String?
        let state: AccountState
        let since: String
        let until: String?
        let detail: String?
        /// oauth2 or oauth1; nil without a token.
        let token: String?
        /// When the access token expires.
        let expiresAt: String?
        let timelines: [String]
        let postsToday: Int64
        let gaps: Int64
    }

    /// All accounts, by id.
    ///
    /// - Throws: `PostgresError`.
    static func list(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [Entry] {
        let answer = try connection.query(
            """
            SELECT a.user_id, a.username, a.state, \(rfc3339("a.state_since")), \(rfc3339("a.state_until")),
                a.state_detail, t.kind, \(rfc3339("t.expires_at")),
                (SELECT string_agg(l.kind, ',' ORDER BY l.kind) FROM timelines l WHERE l.user_id = a.user_id),
                CASE WHEN a.day = (now() AT TIME ZONE 'UTC')::date THEN a.day_posts ELSE 0 END,
                (SELECT count(*) FROM timeline_gaps g WHERE g.user_id = a.user_id)
            FROM x_accounts a LEFT JOIN x_tokens t ON t.user_id = a.user_id ORDER BY a.user_id
            """, doing: "list accounts")
        return (0..<answer.rowCount).map { row in
            Entry(
                userID: answer.text(row, 0) ?? "", username: answer.text(row, 1),
                state: AccountState(rawValue: answer.text(row, 2) ?? "") ?? .active, since: answer.text(row, 3) ?? "",
                until: answer.text(row, 4), detail: answer.text(row, 5), token: answer.text(row, 6),
                expiresAt: answer.text(row, 7),
                timelines: (answer.text(row, 8) ?? "").split(separator: ",").map(String.init),
                postsToday: answer.integer(row, 9) ?? 0, gaps: answer.integer(row, 10) ?? 0)
        }
    }

    /// The id of an account.
    ///
    /// - Parameters:
    ///   - name: an id, or a handle with or without `@`.
    ///   - connection: to the database.
    /// - Returns: the id.
    /// - Throws: `DatabaseError` (`reject`) when there is none, or several of that name; `PostgresError`.
    static func id(of name: String, _ connection: borrowing PostgresConnection) throws -> Int64 {
        let handle = name.hasPrefix("@") ? String(name.dropFirst()) : name
        let answer = try connection.query(
            "SELECT user_id FROM x_accounts WHERE user_id::text = $1 OR lower(username) = lower($1)", [handle],
            doing: "look up an account")
        guard answer.rowCount == 1, let id = answer.integer(0, 0) else {
            let problem = answer.rowCount == 0 ? "there is no account" : "there are several accounts"
            throw DatabaseError(
                .reject, "\(problem) '\(name.plain)'; `tweet-timelines accounts list` shows the accounts and their ids")
        }
        return id
    }

    /// Changes the state; `since` stays when the state does.
    ///
    /// - Parameters:
    ///   - account: whose.
    ///   - state: the new state.
    ///   - until: its end, for states that end by themselves.
    ///   - detail: why.
    ///   - connection: to the database.
    /// - Throws: `PostgresError`.
    static func set(
        _ account: Int64, _ state: AccountState, until: Timestamp? = nil, detail: String? = nil,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            UPDATE x_accounts SET state = $2, state_since = CASE WHEN state = $2 THEN state_since ELSE now() END,
                state_until = to_timestamp($3::bigint / 1000.0), state_detail = $4
            WHERE user_id = $1 AND (state <> 'paused' OR $2 IN ('paused', 'active'))
            """,
            ["\(account)", state.rawValue, until.map { "\($0.milliseconds)" }, detail],
            doing: "change an account's state")
    }

    /// Adds or replaces an account's token, encrypted.
    ///
    /// - Parameters:
    ///   - account: id at X.
    ///   - username: handle, when it is known.
    ///   - kind: of the token.
    ///   - access: the access token.
    ///   - refresh: the refresh token; of OAuth 1.0a the token's secret.
    ///   - expiresAt: when the access token expires; nil when that is not known, or never.
    ///   - scopes: that the user has granted, when they are known.
    ///   - client: the app.
    ///   - store: encrypts.
    ///   - connection: to the database.
    /// - Throws: `PostgresError`.
    static func add(
        _ account: Int64, username: String?, kind: StoredToken.Kind, access: Secret, refresh: Secret?,
        expiresAt: Timestamp?, scopes: [String]?, client: String, store: TokenStore,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let sealed = store.sealed(account, access, refresh, client)
        _ = try connection.query(
            """
            SELECT add_encrypted_x_token(
                $1, $2::bytea, $3::bytea, $4::smallint, to_timestamp($5::bigint / 1000.0), $6, $7::text[], $8)
            """,
            ["\(account)"] + sealed + [
                expiresAt.map { "\($0.milliseconds)" }, client, scopes.map { arrayLiteral($0) }, kind.rawValue,
            ], doing: "store a token")
        guard let username else { return }
        _ = try connection.query(
            "UPDATE x_accounts SET username = $2 WHERE user_id = $1", ["\(account)", username], doing: "name an account"
        )
    }
}
