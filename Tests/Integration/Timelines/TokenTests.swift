import Core
import Glibc
import Postgres
import Sandbox
import Synchronization
import TestSupport
import Testing
import XAPI

@testable import TweetTimelines

@Suite("Timelines: tokens", .serialized, .ownThreads, .timeLimit(.minutes(4)))
struct TokenTests {
    private func secrets(_ found: TokenStore.Found) -> [String?] {
        guard case .token(let token) = found else { return [] }
        return [token.access.value, token.refresh?.value]
    }

    @Test("an application adds a token in clear by SQL, and the first look encrypts it")
    func clearTokensAreEncrypted() async throws {
        try await TimelinesFixture.with { fixture in
            try fixture.query("SELECT add_x_token(7, 'canary-access', 'canary-refresh', now() + interval '2 hours')")
            try fixture.query("INSERT INTO x_tokens (user_id, access_token) VALUES (8, 'plain')")
            #expect(
                try fixture.query("SELECT user_id, state FROM x_accounts ORDER BY 1")
                    == [["7", "active"], ["8", "active"]])
            #expect(
                try fixture.query("SELECT user_id, kind FROM timelines ORDER BY 1") == [["7", "home"], ["8", "home"]])
            let connection = try fixture.connect()
            let store = try fixture.store(connection)
            #expect(secrets(try store.token(of: 7, connection)) == ["canary-access", "canary-refresh"])
            #expect(try store.encryptAll(connection) == 1)
            #expect(secrets(try store.token(of: 8, connection)) == ["plain", nil])
            let rows = try fixture.query("SELECT t.*, k.* FROM x_tokens t JOIN x_token_keys k USING (key_id)")
            #expect(rows.count == 2 && !"\(rows)".contains("canary") && !"\(rows)".contains("plain"))
        }
    }

    @Test("a ciphertext opens for its account, column and app alone")
    func ciphertextsCannotBeMoved() async throws {
        try await TimelinesFixture.with { fixture in
            let connection = try fixture.connect()
            let store = try fixture.store(connection)
            try fixture.query("SELECT add_x_token(7, 'one', 'two'), add_x_token(8, 'three', 'four')")
            _ = try store.encryptAll(connection)
            for change in [
                "access = (SELECT access FROM x_tokens WHERE user_id = 8)", "access = refresh", "client_id = 'other'",
                "access = set_byte(access, 20, 0)",
            ] {
                try connection.execute("BEGIN; UPDATE x_tokens SET \(change) WHERE user_id = 7")
                guard case .unreadable = try store.token(of: 7, connection) else {
                    Issue.record("\(change) is not noticed")
                    continue
                }
                try connection.execute("ROLLBACK")
            }
            #expect(secrets(try store.token(of: 7, connection)) == ["one", "two"])
        }
    }

    @Test("F93: without the key, with a wrong key and in the middle of a change no token is lost")
    func f93KeysMissingWrongAndChanged() async throws {
        try await TimelinesFixture.with { fixture in
            let connection = try fixture.connect()
            let old = try fixture.store(connection)
            try fixture.query("SELECT add_x_token(n, 'access' || n, 'refresh' || n) FROM generate_series(1, 20) n")
            _ = try old.encryptAll(connection)
            let stored = try fixture.query("SELECT * FROM x_tokens ORDER BY 1")
            try fixture.writeKey("new", String(repeating: "0b", count: 32))
            let keys: [String: String?] = ["TIMELINE_KEY_FILE": fixture.folder.path + "/new"]
            try rejectsOtherKeys(fixture, keys)
            #expect(try fixture.query("SELECT * FROM x_tokens ORDER BY 1") == stored)
            // Killed in the middle: half under each key, and both are readable.
            let both = try fixture.store(connection, key: "new", old: "key")
            for account in 1...10 {
                guard case .token(let token) = try both.token(of: Int64(account), connection) else { continue }
                #expect(try both.rekey(token, connection))
            }
            #expect(throws: DatabaseError.self) { try fixture.store(connection) }
            let rotation = keys.merging(["TIMELINE_OLD_KEY_FILE": fixture.folder.path + "/key"]) { $1 }
            let ended = try fixture.run(["accounts", "rekey"], environment: rotation)
            #expect(ended.exit == .status(0) && ended.output.contains("encrypted 10 tokens"), "\(ended)")
            // The old key is no longer needed.
            let new = try fixture.store(connection, key: "new")
            for account in 1...20 {
                #expect(
                    secrets(try new.token(of: Int64(account), connection)) == ["access\(account)", "refresh\(account)"])
            }
        }
    }

    /// A wrong key, a missing file, one that others can read, and no key.
    private func rejectsOtherKeys(_ fixture: TimelinesFixture, _ keys: [String: String?]) throws {
        var ended = try fixture.run(["accounts", "rekey"], environment: keys)
        #expect(ended.exit == .status(78) && ended.output.contains("20 tokens are encrypted with key 1"), "\(ended)")
        #expect(ended.output.contains("TIMELINE_OLD_KEY_FILE"))
        for path in ["/none", "/input"] {
            ended = try fixture.run(
                ["accounts", "rekey"], environment: ["TIMELINE_KEY_FILE": fixture.folder.path + path])
            #expect(ended.exit == .status(78) && ended.output.contains(path), "\(ended)")
        }
        ended = try fixture.run(["accounts", "rekey"], environment: ["TIMELINE_KEY_FILE": nil])
        #expect(ended.exit == .status(78) && ended.output.contains("TIMELINE_KEY_FILE"), "\(ended)")
    }

    /// systemd's credentials and Kubernetes' secrets belong to root, and show that the group can read them.
    @Test(
        "F93: a key file of a different user may be readable for its group, and never for all",
        .enabled(if: geteuid() == 0))
    func keyFilesOfOthers() throws {
        let folder = try TemporaryFolder()
        try folder.write(String(repeating: "0a", count: 32), to: "key")
        let path = folder.path + "/key"
        for (owner, mode, isAccepted) in [
            (uid_t(0), mode_t(0o600), true), (0, 0o640, false), (1, 0o440, true), (1, 0o400, true), (1, 0o444, false),
            (1, 0o460, false),
        ] {
            unsafe chown(path, owner, .max)
            unsafe chmod(path, mode)
            let key = try? TokenKey(file: path)
            #expect((key != nil) == isAccepted, "\(owner) \(String(mode, radix: 8))")
        }
    }

    private func value(_ outcome: TokenRefresh.Outcome) -> String {
        switch outcome {
        case .usable(let token): token.access.value
        case .missing: "missing"
        case .later: "later"
        case .loginNeeded: "login needed"
        case .app: "app"
        case .unreadable: "unreadable"
        }
    }

    @Test("F89: lost answers, two refreshes at once and spent tokens lose no login that X has kept")
    func f89LostAnswersAndRaces() async throws {
        try await TimelinesFixture.with { fixture in
            let x = fixture.simulator
            let connection = try fixture.connect()
            let store = try fixture.store(connection)
            x.setUser(1)
            try add(1, fixture, store, connection)
            // Many at once: X is asked once.
            let values = try self.many(8) { try fixture.refresh(store).token(of: 1, fixture.connect()) }
            #expect(Set(values).count == 1 && x.userRecord.tokenAnswers == [200: 1], "\(values)")
            #expect(x.isLoggedIn(1) && x.userRecord.revokedFamilies == 0)
            // The pair is stored before its use, and a rejected token is refreshed once, whoever reports it.
            guard case .token(let token) = try store.token(of: 1, connection) else { return }
            #expect(token.access.value == values[0])
            let again = try self.many(4) {
                try fixture.refresh(store).token(of: 1, rejected: token.version, fixture.connect())
            }
            #expect(Set(again).count == 1 && again != [values[0]] && x.userRecord.tokenAnswers == [200: 2])
        }
    }

    @Test("F89: a login counts as dead only after two rejections 30 s apart, and a new one counts at once")
    func f89SpentTokensAreLookedAtTwice() async throws {
        try await TimelinesFixture.with { fixture in
            let x = fixture.simulator
            let connection = try fixture.connect()
            let store = try fixture.store(connection)
            let refresh = try fixture.refresh(store)
            x.setUser(2)
            try add(2, fixture, store, connection)
            x.loseTokenAnswers(1)
            #expect(value(try refresh.token(of: 2, connection)) == "later")
            #expect(try fixture.query("SELECT state FROM x_accounts WHERE user_id = 2") == [["active"]])
            #expect(value(try refresh.token(of: 2, connection)) == "later")
            try fixture.query("UPDATE x_tokens SET dead_since = dead_since - interval '31 seconds' WHERE user_id = 2")
            #expect(value(try refresh.token(of: 2, connection)) == "login needed")
            try add(2, fixture, store, connection)
            #expect(value(try refresh.token(of: 2, connection)).hasPrefix("sandbox-access-2-"))
        }
    }

    /// Logs a user in; the access token has expired.
    private func add(
        _ account: Int64, _ fixture: TimelinesFixture, _ store: TokenStore, _ connection: borrowing PostgresConnection
    ) throws {
        let pair = fixture.simulator.logIn(account)
        try AccountBook.add(
            account, username: nil, kind: .oauth2, access: Secret(pair.access), refresh: Secret(pair.refresh),
            expiresAt: .now(), scopes: nil, client: TimelinesFixture.client, store: store, connection)
    }

    private final class Results: Sendable {
        let values = Mutex<[String]>([])
    }

    private func many(
        _ count: Int, _ body: @escaping @Sendable () throws -> TokenRefresh.Outcome
    ) throws -> [String] {
        let results = Results()
        let threads = (0..<count).map { _ in
            Background {
                let value = self.value(try body())
                results.values.withLock { $0.append(value) }
            }
        }
        for thread in threads { try thread.join() }
        return results.values.withLock { $0 }
    }

    @Test("an error of the app, and a token endpoint that fails, leave the token as it is")
    func theAppsErrorsAreNotTheUsers() async throws {
        try await TimelinesFixture.with { fixture in
            let x = fixture.simulator
            let connection = try fixture.connect()
            let store = try fixture.store(connection)
            x.setUser(1)
            try add(1, fixture, store, connection)
            let before = try fixture.query("SELECT * FROM x_tokens")
            x.setClientSecret("secret")
            #expect(value(try fixture.refresh(store).token(of: 1, connection)) == "app")
            #expect(try fixture.query("SELECT * FROM x_tokens") == before)
            x.setClientSecret(nil)
            try fixture.query("DELETE FROM x_tokens")
            #expect(value(try fixture.refresh(store).token(of: 1, connection)) == "missing")
            #expect(
                try fixture.query("SELECT state, state_detail FROM x_accounts")
                    == [["login_needed", "the token was deleted"]])
        }
    }
}
