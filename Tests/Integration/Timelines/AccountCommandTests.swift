import Core
import Foundation
import HTTP
import Postgres
import Sandbox
import TestSupport
import Testing
import XAPI

@testable import TweetTimelines

@Suite("Timelines: commands about accounts", .serialized, .ownThreads, .timeLimit(.minutes(4)))
struct AccountCommandTests {
    @Test("accounts are added, listed, paused, resumed and removed")
    func wholeLife() async throws {
        try await TimelinesFixture.with { fixture in
            for id in [11, 12] as [Int64] { fixture.simulator.setUser(id) }
            let pair = fixture.simulator.logIn(11)
            let lines = """
                {"user_id":"11","username":"eleven","access_token":"\(pair.access)","refresh_token":"\(pair.refresh)"}
                {"user_id":"12","access_token":"a","token_secret":"b"}

                """
            var ended = try fixture.run(["accounts", "add"], input: lines)
            #expect(ended.exit == .status(0) && ended.output == "added 2 accounts\n", "\(ended)")
            ended = try fixture.run(["accounts", "pause", "@Eleven", "12"])
            #expect(ended.output == "paused 2 accounts\n", "\(ended)")
            ended = try fixture.run(["accounts", "resume", "12"])
            #expect(ended.output == "resumed 1 account\n", "\(ended)")
            ended = try fixture.run(["accounts", "list", "--json"])
            let object = try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any]
            let accounts = object?["accounts"] as? [[String: Any]] ?? []
            #expect(object?["version"] as? Int == 1)
            #expect(accounts.map { $0["state"] as? String } == ["paused", "active"])
            #expect(accounts.map { $0["token"] as? String } == ["oauth2", "oauth1"])
            #expect(!ended.output.contains(pair.access) && !ended.output.contains(pair.refresh))
            ended = try fixture.run(["accounts", "remove", "eleven"])
            #expect(ended.exit == .status(0) && !fixture.simulator.isLoggedIn(11), "\(ended)")
            #expect(try fixture.query("SELECT user_id FROM x_accounts") == [["12"]])
            ended = try fixture.run(["accounts", "remove", "eleven"])
            #expect(ended.exit == .status(65) && ended.output.contains("there is no account 'eleven'"), "\(ended)")
        }
    }

    @Test("an invalid line names its number and member, no value, and adds nothing")
    func invalidLines() async throws {
        try await TimelinesFixture.with { fixture in
            let good = #"{"user_id":"1","access_token":"canary"}"#
            for (line, part) in [
                ("nothing", "not a JSON object"), (#"{"access_token":"canary"}"#, "user_id"),
                (#"{"user_id":"1","access_token":"can ary"}"#, "access_token"),
                (#"{"user_id":"1","access_token":"canary","expires_at":"soon"}"#, "expires_at"),
            ] {
                let ended = try fixture.run(["accounts", "add"], input: good + "\n" + line + "\n")
                #expect(ended.exit == .status(65) && ended.output.contains("standard input:2: "), "\(ended)")
                #expect(ended.output.contains(part) && !ended.output.contains("canary"), "\(ended)")
            }
            #expect(try fixture.query("SELECT count(*) FROM x_accounts") == [["0"]])
        }
    }

    @Test("nothing is deleted when X cannot revoke, unless that is wanted")
    func removalWithoutX() async throws {
        try await TimelinesFixture.with { fixture in
            _ = try fixture.run(["accounts", "add"], input: #"{"user_id":"1","access_token":"a","refresh_token":"b"}"#)
            let away: [String: String?] = ["X_URL": "http://127.0.0.1:1"]
            var ended = try fixture.run(["accounts", "remove", "1"], environment: away)
            #expect(ended.exit == .status(69) && ended.output.contains("--no-revoke"), "\(ended)")
            #expect(try fixture.query("SELECT count(*) FROM x_tokens") == [["1"]])
            ended = try fixture.run(["accounts", "remove", "1", "--no-revoke"], environment: away)
            #expect(ended.exit == .status(0), "\(ended)")
            #expect(try fixture.query("SELECT count(*) FROM x_accounts") == [["0"]])
        }
    }

    @Test("a user logs in by pasting the redirect, with a public and a confidential app", arguments: [nil, "s3cret"])
    func loginByPasting(_ secret: String?) async throws {
        try await TimelinesFixture.with { fixture in
            fixture.simulator.setUser(21) { $0.name = "baristas" }
            fixture.simulator.setBrowser(21)
            fixture.simulator.setClientSecret(secret)
            let ended = try LoginBrowser.logIn(fixture, environment: ["X_CLIENT_SECRET": secret])
            #expect(ended.exit == .status(0) && ended.output.contains("added @baristas (21)"), "\(ended)")
            let connection = try fixture.connect()
            guard case .token(let token) = try fixture.store(connection).token(of: 21, connection) else {
                Issue.record("no token is stored")
                return
            }
            #expect(token.refresh != nil && token.client == TimelinesFixture.client)
            #expect(token.expiresAt.map { $0 > .now().advanced(by: .seconds(7000)) } == true)
            #expect(try fixture.query("SELECT kind FROM timelines WHERE user_id = 21") == [["home"]])
        }
    }

    @Test("with --listen the redirect comes by itself; a denial, and a different login's address, add nothing")
    func loginByListening() async throws {
        try await TimelinesFixture.with { fixture in
            fixture.simulator.setUser(22)
            fixture.simulator.setBrowser(22)
            var child = try LoginBrowser.start(
                fixture, "exec \"$0\" accounts login --listen --callback-url http://127.0.0.1:18723/cb")
            _ = try LoginBrowser.redirect(LoginBrowser.redirect(LoginBrowser.loginURL(child)))
            var output = child.readAll()
            #expect(child.wait() == .status(0) && output.contains("added @user22 (22)"), "\(output)")
            fixture.simulator.setBrowser(nil)
            child = try LoginBrowser.start(
                fixture, "exec \"$0\" accounts login --listen --callback-url http://127.0.0.1:18724/cb")
            _ = try LoginBrowser.redirect(LoginBrowser.redirect(LoginBrowser.loginURL(child)))
            output = child.readAll()
            #expect(child.wait() == .status(65) && output.contains("access_denied"), "\(output)")
            let ended = try fixture.run(
                ["accounts", "login"], input: "http://127.0.0.1:8723/callback?state=x&code=y\n")
            #expect(ended.exit == .status(65) && ended.output.contains("a different login"), "\(ended)")
        }
    }
}
