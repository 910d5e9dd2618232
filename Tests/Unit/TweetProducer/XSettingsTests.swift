import TestSupport
import Testing

@testable import Core
@testable import TweetProducer
@testable import XAPI

@Suite(.timeLimit(.minutes(5))) struct XSettingsTests {
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

    @Test func theStreamIsChosenWithItsPartition() throws {
        #expect(try read(["X_BEARER_TOKEN": "t"]).source == .filtered)
        #expect(try read(["X_BEARER_TOKEN": "t", "X_STREAM": "sample"]).source == StreamSource(.sample))
        let tenth = try read(["X_BEARER_TOKEN": "t", "X_STREAM": "sample10", "X_PARTITION": "2"]).source
        #expect(
            tenth == StreamSource(.sample10, partition: 2)
                && tenth.asRule.value == "GET /2/tweets/sample10/stream?partition=2")
        for (settings, expected) in [
            (["X_STREAM": "sample10"], "X_PARTITION (--x-partition) is not set: sample10 has the partitions 1 and 2"),
            (
                ["X_STREAM": "sample10", "X_PARTITION": "3"],
                "environment X_PARTITION: '3' is not a whole number from 1 to 2"
            ),
            (
                ["X_STREAM": "sample", "X_PARTITION": "1"],
                "environment X_PARTITION: the stream sample has no partitions"
            ),
            (["X_PARTITION": "1"], "environment X_PARTITION: the stream filtered has no partitions"),
            (["X_STREAM": "firehose"], "environment X_STREAM: 'firehose' is not one of filtered, sample, sample10"),
        ] {
            let text = mistakes(settings.merging(["X_BEARER_TOKEN": "t"]) { $1 })
            #expect(text.contains(expected), "\(expected) is not in:\n\(text)")
        }
    }

    @Test func aSampleHasNoRulesFile() throws {
        let folder = try TemporaryFolder()
        try folder.write("- value: cat\n", to: "rules.yaml")
        var reader = try SettingsReader(
            flags: [:], configFile: nil, known: ProducerSettings.known,
            environment: [
                "X_BEARER_TOKEN": "t", "X_STREAM": "sample", "X_RULES_FILE": folder.path + "/rules.yaml",
                "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
            ])
        _ = ProducerSettings(&reader)
        let expected = "environment X_RULES_FILE: a sample stream has no rules; remove it, or set X_STREAM=filtered"
        #expect(reader.mistakes == [expected])
    }

    @Test func aStreamIsAskedForByItsPath() {
        func url(_ source: StreamSource) -> String {
            var settings = StreamSettings(
                x: XSettings(url: "https://x", token: .value(Secret("t"))), fields: [.tweetFields: ["id"]])
            settings.source = source
            return StreamConnection.url(settings, [("backfill_minutes", "2")])
        }
        let rest = "backfill_minutes=2&tweet.fields=id"
        #expect(url(.filtered) == "https://x/2/tweets/search/stream?" + rest)
        #expect(url(StreamSource(.sample)) == "https://x/2/tweets/sample/stream?" + rest)
        #expect(
            url(StreamSource(.sample10, partition: 1)) == "https://x/2/tweets/sample10/stream?partition=1&" + rest)
    }
}
