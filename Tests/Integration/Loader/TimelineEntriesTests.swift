import Core
import Foundation
import KafkaClient
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: entries of timelines", .ownThreads, .timeLimit(.minutes(3)))
struct TimelineEntriesTests {
    let database: TestDatabase

    init() throws {
        database = try TestDatabase()
        try database.query("INSERT INTO x_accounts (user_id, username) VALUES (1, 'one'), (2, 'two')")
    }

    private static let first = TestLines.firstID

    private static func line(_ id: Int64, of account: Int64, text: String = "x", author: Int64 = 7) -> String {
        #"{"data":{"id":"\#(id)","text":"\#(text)","author_id":"\#(author)"},"timeline":"#
            + #"{"user_id":"\#(account)","kind":"home","fetched_at":"2026-11-20T08:00:00.000Z"}}"#
    }

    @Test(
        "a post on the timelines of two users is one tweet with two entries, in one batch or in several, once or twice")
    func entriesAreAddedToKnownTweets() throws {
        let loader = try Loader.claiming(database.url)
        let id = Self.first
        try loader.settle(RelationsTests.batch([Self.line(id, of: 1), Self.line(id, of: 2), Self.line(id + 1, of: 1)]))
        try loader.settle(
            RelationsTests.batch([Self.line(id + 1, of: 2), Self.line(id, of: 1)], firstOffset: 3, at: 3))
        #expect(
            try database.query("SELECT user_id, kind, tweet_id - \(id) FROM timeline_entries ORDER BY 1, 3")
                == [["1", "home", "0"], ["1", "home", "1"], ["2", "home", "0"], ["2", "home", "1"]])
        #expect(try database.query("SELECT count(*), count(*) FILTER (WHERE matched) FROM tweets") == [["2", "2"]])
        #expect(try database.query("SELECT count(*) FROM tweet_rules") == [["0"]])
        #expect(try database.query("SELECT count(*) FROM unknown_keys") == [["0"]])
        #expect(
            try database.query("SELECT DISTINCT seen_at = '2026-11-20T08:00:00Z' FROM timeline_entries") == [["t"]])
    }

    @Test("an account that is not there, or was removed, gets no entries, and its lines are settled")
    func noEntriesWithoutAnAccount() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(RelationsTests.batch([Self.line(Self.first, of: 3), Self.line(Self.first + 1, of: 1)]))
        #expect(try database.query("SELECT user_id FROM timeline_entries") == [["1"]])
        #expect(try database.query("SELECT count(*) FROM tweets") == [["2"]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }

    @Test("removing an account deletes its entries, and the tweets that nothing else has")
    func removal() throws {
        let loader = try Loader.claiming(database.url)
        let id = Self.first
        let streamed = RelationsTests.line(id + 2, RelationsTests.user(9, "A"))
        try loader.settle(
            RelationsTests.batch([
                Self.line(id, of: 1), Self.line(id + 1, of: 1), Self.line(id + 1, of: 2), streamed,
                Self.line(id + 2, of: 1),
            ]))
        #expect(try database.query("SELECT remove_x_account(1)") == [["1"]])
        #expect(try database.query("SELECT id - \(id) FROM tweets ORDER BY 1") == [["1"], ["2"]])
        #expect(try database.query("SELECT user_id, tweet_id - \(id) FROM timeline_entries") == [["2", "1"]])
        #expect(try database.query("SELECT user_id FROM x_accounts") == [["2"]])
    }

    @Test("posts of protected authors are in the timeline of the user, and in no public view")
    func protectedAuthors() throws {
        let loader = try Loader.claiming(database.url)
        let id = Self.first
        func line(_ id: Int64, author: Int64, isProtected: Bool) -> String {
            #"{"data":{"id":"\#(id)","text":"a #tag","author_id":"\#(author)","entities":{"hashtags":[{"start":2,"end":6,"tag":"tag"}]}},"#
                + #""includes":{"users":[{"id":"\#(author)","username":"u\#(author)","name":"n","protected":\#(isProtected)}]},"#
                + #""timeline":{"user_id":"1","kind":"home","fetched_at":"2026-11-20T08:00:00.000Z"}}"#
        }
        try loader.settle(
            RelationsTests.batch([line(id, author: 7, isProtected: true), line(id + 1, author: 8, isProtected: false)]))
        #expect(try database.query("SELECT id - \(id) FROM readable_tweets") == [["1"]])
        #expect(try database.query("SELECT tweet_id - \(id) FROM tweet_hashtags") == [["1"]])
        #expect(
            try database.query("SELECT id - \(id), protected FROM home_timeline(1)") == [["1", "f"], ["0", "t"]])
    }

    @Test("terms and hashtags for a recommender: without links, mentions, RT, HTML entities and muted terms")
    func termsAndHashtags() throws {
        let loader = try Loader.claiming(database.url)
        let id = Self.first
        let text = "RT @someone: Cats &amp; dogs https://t.co/AbCd #Cats cats don't"
        try loader.settle(
            RelationsTests.batch([Self.line(id, of: 1, text: text), Self.line(id + 1, of: 1, text: "dogs!")]))
        try database.query("UPDATE tweets SET hashtags = ARRAY['Cats'] WHERE id = \(id)")
        try database.query("INSERT INTO muted_terms VALUES ('don''t')")
        let since = "'2010-12-01'"
        #expect(
            try database.query("SELECT * FROM timeline_terms(1, \(since))")
                == [["dogs", "2", "2"], ["cats", "2", "1"]])
        #expect(try database.query("SELECT * FROM timeline_hashtags(1, \(since))") == [["#cats", "1", "1"]])
        try database.query("INSERT INTO muted_terms VALUES ('#cats')")
        #expect(try database.query("SELECT * FROM timeline_hashtags(1, \(since))") == [])
    }

    @Test("only the newest entries of each timeline are kept")
    func retention() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(
            RelationsTests.batch((0..<10).map { Self.line(Self.first + $0, of: 1 + $0 % 2) }))
        #expect(try database.query("SELECT trim_timelines(3)") == [["4"]])
        #expect(
            try database.query("SELECT user_id, tweet_id - \(Self.first) FROM timeline_entries ORDER BY 2")
                == [["1", "4"], ["2", "5"], ["1", "6"], ["2", "7"], ["1", "8"], ["2", "9"]])
    }
}
