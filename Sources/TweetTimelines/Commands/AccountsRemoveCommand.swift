import ArgumentParser
import Core
import Postgres
import XAPI

struct AccountsRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Revoke an account's token at X, and delete what was collected for it alone.",
        discussion: """
            Deletes the account, its token, its timelines and their entries, and the tweets that no other timeline and no \
            stream has. When X cannot be reached nothing is deleted; --no-revoke deletes all the same, and the token stays \
            valid at X until it expires.

              tweet-timelines accounts remove @baristas

            Exit status: 0 done, 65 the account is not there, 69 X or PostgreSQL is unreachable, 77 credentials rejected, \
            78 invalid settings, or X rejects the app.
            """)

    @OptionGroup var options: TokenOptions
    @Flag(help: "Do not revoke the token at X.") var noRevoke = false
    @Argument(help: "Handle or id.") var account: String

    func run() throws {
        try runCommand {
            let access = try options.access(needingKey: !noRevoke)
            if !noRevoke { try access.withTokens { try revoke(access, $1, $0) } }
            let removed = try onDatabase(access.conninfo, role: .writer) { connection in
                let id = try AccountBook.id(of: account, connection)
                return try connection.query("SELECT remove_x_account($1)", ["\(id)"], doing: "remove an account")
                    .integer(0, 0) ?? 0
            }
            print("removed the account and \(counted(removed, "tweet"))")
        }
    }

    /// Revokes both tokens, the refresh token first: with it the access token could be made again.
    private func revoke(
        _ access: TokenAccess, _ store: TokenStore, _ connection: borrowing PostgresConnection
    ) throws {
        let id = try AccountBook.id(of: account, connection)
        switch try store.token(of: id, connection) {
        case .missing: return
        case .unreadable(let reason): throw Failure(.badSettings, "\(reason). Pass --no-revoke to delete it as it is")
        case .token(let token) where token.kind == .oauth1:
            // X has no call that ends an OAuth 1.0a token of OAuth 2.0's kind.
            return
        case .token(let token):
            for secret in [token.refresh, token.access].compactMap({ $0 }) {
                guard let failure = access.endpoint.revoke(secret) else { continue }
                throw Failure(
                    .unavailable,
                    "X did not revoke the token: \(failure). Nothing was deleted; try again, or pass --no-revoke")
            }
        }
    }
}

struct AccountsRekeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rekey", abstract: "Encrypt all tokens with the key in TIMELINE_KEY_FILE.",
        discussion: """
            To change the key, put the new one into TIMELINE_KEY_FILE and the one before into TIMELINE_OLD_KEY_FILE, restart \
            the pollers, and run this. It can be killed and run again at any time: each token is under one of both keys. When \
            it is done, the old key is no longer needed.

              tweet-timelines accounts rekey --key-file new.key --old-key-file old.key

            Exit status: 0 done, 69 PostgreSQL is unreachable, 77 credentials rejected, 78 invalid settings, or a token is under \
            neither key.
            """)

    @OptionGroup var options: TokenOptions

    func run() throws {
        try runCommand {
            let access = try options.access(needingKey: true)
            let count = try access.withTokens { try rekey($1, $0) }
            print("encrypted \(counted(count, "token")) with the current key")
        }
    }

    private func rekey(_ store: TokenStore, _ connection: borrowing PostgresConnection) throws -> Int {
        var count = try store.encryptAll(connection)
        while true {
            let answer = try connection.query(
                "SELECT user_id FROM x_tokens WHERE key_id <> $1 ORDER BY user_id LIMIT 1000",
                ["\(store.vault.current)"], doing: "look for tokens under other keys")
            guard answer.rowCount > 0 else { return count }
            for row in 0..<answer.rowCount {
                let account = answer.integer(row, 0) ?? 0
                switch try store.token(of: account, connection) {
                // One that was replaced meanwhile is found again, or is under the current key.
                case .token(let token): if try store.rekey(token, connection) { count += 1 }
                case .missing: break
                case .unreadable(let reason): throw Failure(.badSettings, "account \(account): \(reason)")
                }
            }
        }
    }
}
