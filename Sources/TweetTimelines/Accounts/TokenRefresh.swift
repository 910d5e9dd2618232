import Core
import Postgres
import XAPI

/// Makes sure that an account has an access token that can be used: one process refreshes, in a transaction that locks the
/// token's row, and the new pair is committed before it is used.
struct TokenRefresh: Sendable {
    let store: TokenStore
    let endpoint: TokenEndpoint
    /// The app that this process is.
    let client: String
    let conninfo: PostgresConninfo
    let stop: Stop?
    /// Whether X's token endpoint can be reached; nil for a command, which tries at once.
    var outage: CallOutage?

    /// What came of it.
    enum Outcome: Sendable {
        case usable(StoredToken)
        /// The row was deleted.
        case missing
        /// Try again after a while; nothing is known to be wrong with the token.
        case later(Duration, String)
        /// The user has to log in again.
        case loginNeeded(String)
        /// X rejects the app or its settings: no account is at fault.
        case app(String)
        /// The row cannot be decrypted; it is left as it is.
        case unreadable(String)
    }

    /// X's answer that a token is dead counts when it comes again after this time: a lost answer of another process may have
    /// made the pair a moment ago.
    static let secondLook = Duration.seconds(30)

    /// The account's token, refreshed when that is due.
    ///
    /// - Parameters:
    ///   - account: whose.
    ///   - rejected: the version of a token that X has rejected with 401; nil when none was.
    ///   - connection: without a transaction.
    /// - Returns: what came of it.
    /// - Throws: `PostgresError`; when a new pair was granted it is stored nevertheless, over another connection.
    func token(
        of account: Int64, rejected: Int64? = nil, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        let found = try store.token(of: account, connection)
        if let outcome = settled(found, rejected) { return outcome }
        // The server closes a session that is idle in a transaction for 10 s; X may take 15 s, twice.
        try connection.execute(
            "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '60s'", doing: "begin a refresh")
        do {
            let outcome = try refresh(account, rejected, connection)
            try connection.execute("COMMIT")
            return outcome
        } catch {
            if !error.isConnectionLost { try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    /// What needs no refresh, and what cannot be refreshed; nil when a refresh is due.
    private func settled(_ found: TokenStore.Found, _ rejected: Int64?) -> Outcome? {
        switch found {
        case .missing: return .missing
        case .unreadable(let reason): return .unreadable(reason)
        case .token(let token):
            let isRejected = rejected == token.version
            if !isRejected, !token.isExpiring(at: .now()) { return .usable(token) }
            guard token.client.isEmpty || token.client == client else {
                return .unreadable("the token belongs to the app \(token.client.plain), and X_CLIENT_ID is \(client)")
            }
            return nil
        }
    }

    private func refresh(
        _ account: Int64, _ rejected: Int64?, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        let found = try store.token(of: account, locking: true, connection)
        if let outcome = settled(found, rejected) { return outcome }
        guard case .token(let token) = found else { return .missing }
        if let age = token.rejectedFor, age < Self.secondLook {
            return .later(Self.secondLook - age, "X rejected the token")
        }
        guard token.kind == .oauth2, let spent = token.refresh else {
            return try doubt(token, "X rejects the access token, and there is no refresh token", connection)
        }
        if let pause = outage?.pause { return .later(pause, "X's token endpoint does not answer") }
        switch ask(spent) {
        case .granted(let grant): return .usable(try keep(grant, after: token, connection))
        case .app(let reason): return .app(reason)
        case .later(let reason, let wait): return .later(min(wait ?? .seconds(60), .seconds(900)), reason)
        case .dead(let reason): return try doubt(token, "X rejects the refresh token: \(reason)", connection)
        }
    }

    /// Asks X for a new pair; in an outage nobody else does meanwhile.
    private func ask(_ spent: Secret) -> TokenAnswer {
        outage?.probe()
        var answer = endpoint.refresh(spent)
        // The answer may have been lost after X made the pair; the same token may still be accepted.
        if case .later(_, nil) = answer { answer = endpoint.refresh(spent) }
        guard case .later(let reason, nil) = answer else {
            outage?.end()
            return answer
        }
        guard let outage else { return answer }
        return .later(reason, after: outage.begin(reason))
    }

    /// Takes note of a rejection, which counts when it comes again later.
    private func doubt(
        _ token: StoredToken, _ reason: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        if token.rejectedFor != nil { return .loginNeeded("\(reason); twice") }
        _ = try connection.query(
            "UPDATE x_tokens SET dead_since = now() WHERE user_id = $1 AND version = $2",
            ["\(token.account)", "\(token.version)"], doing: "record a rejected token")
        return .later(Self.secondLook, reason)
    }

    /// Stores a new pair, which exists nowhere else: when this connection fails, over others until it is stored.
    private func keep(
        _ grant: TokenGrant, after token: StoredToken, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> StoredToken {
        let fresh = StoredToken(
            account: token.account, kind: .oauth2, client: client, access: grant.access,
            refresh: grant.refresh ?? token.refresh, expiresAt: .now().advanced(by: grant.lifetime),
            version: token.version + 1, rejectedFor: nil)
        do {
            try write(fresh, connection)
            try connection.execute("COMMIT")
            return fresh
        } catch {
            guard [.wait, .retry, .split].contains(error.disposition) else { throw error }
            var pause = Backoff(first: .milliseconds(200), longest: .seconds(10))
            while stop?.isImmediate != true {
                if isWritten(fresh) { throw error }
                // The stop must not hurry this: the pair would be lost.
                Stop().wait(for: pause.next())
                Heartbeat.beat()
            }
            throw error
        }
    }

    private func isWritten(_ token: StoredToken) -> Bool {
        do {
            let connection = try PostgresConnection.connect(conninfo)
            try write(token, connection)
            return true
        } catch {
            return false
        }
    }

    private func write(
        _ token: StoredToken, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            UPDATE x_tokens SET client_id = $6, access = $3, refresh = $4, key_id = $5,
                expires_at = to_timestamp($7::bigint / 1000.0), version = version + 1, refreshed_at = now(), dead_since = NULL
            WHERE user_id = $1 AND version = $2
            """,
            ["\(token.account)", "\(token.version - 1)"]
                + store.sealed(token.account, token.access, token.refresh, token.client)
                + [token.client, token.expiresAt.map { "\($0.milliseconds)" }], doing: "store a new pair of tokens")
    }
}
