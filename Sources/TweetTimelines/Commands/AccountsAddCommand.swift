import ArgumentParser
import Core
import FoundationEssentials
import Postgres

struct AccountsAddCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add accounts whose tokens are on standard input.",
        discussion: """
            One JSON object a line: user_id and access_token; for OAuth 2.0 also refresh_token, expires_at (RFC 3339), scope \
            (names with spaces) and client_id (default X_CLIENT_ID); for OAuth 1.0a also token_secret, which makes it \
            OAuth 1.0a. username is optional. All lines are added, or none. A token that an account had is replaced.

              tweet-timelines accounts add < tokens.jsonl

            Exit status: 0 done, 65 an invalid line, 69 PostgreSQL is unreachable, 77 credentials rejected, 78 invalid \
            settings, or the key is not that of the stored tokens.
            """)

    @OptionGroup var options: TokenOptions

    func run() throws {
        try runCommand {
            let access = try options.access(needingKey: true)
            var lines: [NewToken] = []
            var number = 0
            while let line = readLine() {
                number += 1
                guard !line.trimmed.isEmpty else { continue }
                do throws(NewToken.Mistake) { lines.append(try NewToken(line, client: access.client.id)) } catch {
                    throw Failure(.badData, "standard input:\(number): \(error.reason)")
                }
            }
            try access.withTokens { connection, store in
                try connection.execute("BEGIN")
                for line in lines { try line.add(store, connection) }
                try connection.execute("COMMIT")
            }
            print("added \(counted(lines.count, "account"))")
        }
    }
}

/// A token as standard input brings it. Errors name members, never values.
struct NewToken {
    struct Mistake: Error { let reason: String }

    let account: Int64
    let username: String?
    let kind: StoredToken.Kind
    let access: Secret
    let refresh: Secret?
    let expiresAt: Timestamp?
    let scopes: [String]?
    let client: String

    /// - Parameters:
    ///   - line: one JSON object.
    ///   - client: the app, unless the line names one.
    /// - Throws: `Mistake`.
    init(_ line: String, client: String) throws(Mistake) {
        guard let object = try? JSONDecoder().decode(JSONValue.self, from: Data(line.utf8)), case .object = object
        else {
            throw Mistake(reason: "not a JSON object")
        }
        guard let account = object["user_id"]?.text.flatMap({ Int64($0) }), account > 0 else {
            throw Mistake(reason: "user_id is missing or is not an id in quotation marks")
        }
        guard let token = object["access_token"]?.text, !token.isEmpty,
            token.utf8.allSatisfy({ (33...126).contains($0) })
        else { throw Mistake(reason: "access_token is missing, or has a character that a token cannot have") }
        (self.account, username) = (account, object["username"]?.text)
        access = Secret(token)
        let secret = object["token_secret"]?.text
        kind = secret == nil ? .oauth2 : .oauth1
        refresh = (secret ?? object["refresh_token"]?.text).map { Secret($0) }
        let expiry = object["expires_at"]?.text
        expiresAt = expiry.flatMap { Timestamp($0) }
        guard expiry == nil || expiresAt != nil else {
            throw Mistake(reason: "expires_at is not a time such as 2026-11-20T08:15:30Z")
        }
        scopes = object["scope"]?.text?.split(separator: " ").map(String.init)
        self.client = object["client_id"]?.text ?? client
    }

    /// Stores it, encrypted.
    ///
    /// - Parameters:
    ///   - store: encrypts.
    ///   - connection: to the database.
    /// - Throws: `PostgresError`.
    func add(_ store: TokenStore, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        try AccountBook.add(
            account, username: username, kind: kind, access: access, refresh: refresh, expiresAt: expiresAt,
            scopes: scopes, client: client, store: store, connection)
    }
}
