import TestSupport
import Testing

@testable import Core
@testable import TweetProducer
@testable import XAPI

@Suite(.timeLimit(.minutes(1))) struct XSettingsTests {
    private func read(_ environment: [String: String], flags: [String: String] = [:]) throws -> StreamSettings {
        var reader = try SettingsReader(
            flags: flags, configFile: nil, known: XSettings.settings + StreamSettings.settings, environment: environment
        )
        let settings = StreamSettings(&reader)
        try reader.finish()
        return settings
    }

    private func mistakes(_ environment: [String: String]) -> String {
        do {
            _ = try read(environment)
            return ""
        } catch {
            #expect(error is SettingsError)
            return "\(error)"
        }
    }

    @Test func aTokenIsEnough() throws {
        let settings = try read(["X_BEARER_TOKEN": "AAAA%2Fbbb"])
        #expect(settings.x.url == "https://api.x.com")
        #expect(settings.stream == "default")
        #expect(settings.fields[.tweetFields]?.contains("note_tweet") == true)
        #expect(settings.fields[.tweetFields]?.contains("organic_metrics") == false)
        #expect(settings.fields[.expansions]?.count == 14)
        #expect(settings.connectBudget == 40)
        #expect(settings.backoffScale == 1)
        #expect(try settings.x.token.read().value == "AAAA%2Fbbb")
    }

    @Test func fieldsAreChosenByName() throws {
        let settings = try read([
            "X_BEARER_TOKEN": "t", "X_TWEET_FIELDS": "id, lang,created_at", "X_EXPANSIONS": "none",
        ])
        #expect(settings.fields[.tweetFields] == ["id", "lang", "created_at"])
        #expect(settings.fields[.expansions] == [])
    }

    @Test func everyMistakeIsNamedAtOnce() {
        let text = mistakes([
            "X_URL": "api.x.com", "X_TWEET_FIELDS": "id,langg", "X_USER_FIELDS": "confirmed_email",
            "STREAM_NAME": "../etc", "X_BACKOFF_SCALE": "0", "X_CONNECT_BUDGET": "none", "X_LINE_LIMIT": "1",
            "X_CA_FILE": "/nowhere/ca.pem", "X_STALL_TIMEOUT": "1ms",
        ])
        for expected in [
            "environment X_URL: 'api.x.com'", "environment X_TWEET_FIELDS: X has no 'langg'",
            "'confirmed_email' only to a user's own token", "environment STREAM_NAME: '../etc'",
            "X_BACKOFF_SCALE: '0'", "X_CONNECT_BUDGET: 'none'", "X_LINE_LIMIT: 1 bytes", "/nowhere/ca.pem",
            "X_BEARER_TOKEN is not set", "X_STALL_TIMEOUT",
        ] {
            #expect(text.contains(expected), "\(expected) is not in:\n\(text)")
        }
    }

    @Test func aTokenThatCannotBeOneIsNeverShown() throws {
        for (token, reason) in [("SECRET one", "space"), ("SECRETé", "outside ASCII"), ("SECRET\tx", "control")] {
            let text = mistakes(["X_BEARER_TOKEN": token])
            #expect(text.contains(reason))
            #expect(!text.contains("SECRET"))
        }
    }

    @Test func aTokenFileIsReadAgainAndItsLineEndTrimmed() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/token"
        try folder.write("first-token\r\n", to: "token")
        let settings = try read(["X_BEARER_TOKEN_FILE": path])
        #expect(try settings.x.token.read().value == "first-token")
        try folder.write("second-token\n", to: "token")
        #expect(try settings.x.token.read().value == "second-token")
        try folder.write("\n", to: "token")
        #expect(throws: XError.self) { try settings.x.token.read() }
        #expect(mistakes(["X_BEARER_TOKEN_FILE": folder.path + "/none"]).contains("X_BEARER_TOKEN_FILE: open"))
        #expect(mistakes(["X_BEARER_TOKEN_FILE": path, "X_BEARER_TOKEN": "t"]).contains("both set"))
    }
}
