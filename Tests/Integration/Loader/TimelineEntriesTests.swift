import Core
import Foundation
import KafkaClient
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: entries of timelines", .ownThreads, .timeLimit(.minutes(5)))
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

    @Test("what stays after a removal no longer names the account; what hung on the deleted tweets is deleted")
    func whatARemovalLeaves() throws {
        let id = Self.first
        func line(_ id: Int64, _ data: String, _ includes: String, account: Int64 = 1) -> String {
            #"{"data":{"id":"\#(id)","text":"x","author_id":"7"\#(data)},"includes":{\#(includes)},"#
                + #""errors":[{"title":"Not Found"}],"timeline":"#
                + #"{"user_id":"\#(account)","kind":"home","fetched_at":"2026-11-20T08:00:00.000Z"}}"#
        }
        let users =
            #""users":[{"id":"8","username":"p","name":"P","protected":true},{"id":"9","username":"o","name":"O"}]"#
        let quoted = { (tweet: Int64, author: Int64) in #"{"id":"\#(tweet)","text":"q","author_id":"\#(author)"}"# }
        let reference = { (tweet: Int64) in #","referenced_tweets":[{"type":"quoted","id":"\#(tweet)"}]"# }
        let medium = #","attachments":{"media_keys":["3_1"]}"#
        try Loader.claiming(database.url).settle(
            RelationsTests.batch([
                line(
                    id, reference(id - 1) + medium,
                    users + #","tweets":[\#(quoted(id - 1, 8))],"#
                        + #""media":[{"media_key":"3_1","type":"photo"}]"#),
                line(id + 1, reference(id - 2), #""tweets":[\#(quoted(id - 2, 9))]"#),
                line(id + 2, "", ""), line(id + 2, "", "", account: 2),
            ]))
        #expect(try database.query("SELECT count(*) FROM tweets") == [["5"]])
        #expect(try database.query("SELECT remove_x_account(1)") == [["2"]])
        // A public post that was only quoted stays, the protected one does not.
        #expect(try database.query("SELECT id - \(id) FROM tweets ORDER BY 1") == [["-2"], ["2"]])
        #expect(try database.query("SELECT payload -> 'timeline' FROM tweets WHERE id = \(id + 2)") == [["{}"]])
        #expect(try database.query("SELECT tweet_id - \(id) FROM tweet_errors") == [["2"]])
        #expect(try database.query("SELECT count(*) FROM media") == [["0"]])
    }

    @Test("lines that were read for an account before it was removed are settled without rows, also in a replay")
    func linesOfRemovedAccounts() throws {
        let loader = try Loader.claiming(database.url)
        let id = Self.first
        let lines = [Self.line(id, of: 1), Self.line(id + 1, of: 1), Self.line(id + 1, of: 2)]
        try loader.settle(RelationsTests.batch([lines[0]]))
        try database.query("SELECT remove_x_account(1)")
        try loader.settle(RelationsTests.batch(lines, firstOffset: 1, at: 1))
        #expect(try database.query("SELECT id - \(id) FROM tweets") == [["1"]])
        #expect(try database.query("SELECT user_id FROM timeline_entries") == [["2"]])
        #expect(try database.query("SELECT next_offset FROM loader_offsets") == [["4"]])
        // What was read since the account was added again is stored.
        try database.query("INSERT INTO x_accounts (user_id) VALUES (1)")
        let late = Self.line(id, of: 1).replacing("2026-11-20", with: "2100-01-01")
        try loader.settle(RelationsTests.batch([lines[0], late], firstOffset: 4, at: 4))
        #expect(try database.query("SELECT id - \(id) FROM tweets ORDER BY 1") == [["0"], ["1"]])
        #expect(
            try database.query("SELECT seen_at > '2099-01-01' FROM timeline_entries WHERE user_id = 1") == [["t"]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }

    /// A post of one author with one of everything that a view lists.
    private static func line(_ id: Int64, author: Int64, isProtected: Bool) -> String {
        let entities =
            #""hashtags":[{"tag":"tag"}],"mentions":[{"username":"u","id":"3"}],"urls":[{"url":"s","expanded_url":"e"}]"#
        let context = #"[{"domain":{"id":"1","name":"d"},"entity":{"id":"2","name":"e"}}]"#
        let user = #"{"id":"\#(author)","username":"u\#(author)","name":"n","protected":\#(isProtected)}"#
        return #"{"data":{"id":"\#(id)","text":"a &lt; b","author_id":"\#(author)","entities":{\#(entities)},"#
            + #""context_annotations":\#(context),"attachments":{"media_keys":["3_\#(id)"]}},"#
            + #""includes":{"users":[\#(user)],"media":[{"media_key":"3_\#(id)","type":"photo"}]},"#
            + #""timeline":{"user_id":"1","kind":"home","fetched_at":"2026-11-20T08:00:00.000Z"}}"#
    }

    @Test("posts of protected authors are in the timeline of the user, and in no public view, function or export")
    func protectedAuthors() throws {
        let id = Self.first
        try Loader.claiming(database.url).settle(
            RelationsTests.batch([
                Self.line(id, author: 7, isProtected: true), Self.line(id + 1, author: 8, isProtected: false),
            ]))
        let window = "(tweet_time(\(id)) - interval '1 day', tweet_time(\(id)) + interval '1 day')"
        for name in [
            "public_tweets", "matched_tweets", "readable_tweets", "tweets_between" + window,
            "readable_between" + window,
        ] {
            #expect(try database.query("SELECT id - \(id) FROM \(name)") == [["1"]], "\(name)")
        }
        for view in ["hashtags", "mentions", "urls", "context", "media"] {
            #expect(try database.query("SELECT tweet_id - \(id) FROM tweet_\(view)") == [["1"]], "\(view)")
        }
        #expect(try exported(.csv) == [id + 1] && exported(.ids) == [id + 1])
        #expect(
            try database.query("SELECT id - \(id), protected, text FROM home_timeline(1)")
                == [["1", "f", "a < b"], ["0", "t", "a < b"]])
        // What became protected since, and what is no longer.
        try database.query("UPDATE users SET protected = NOT protected")
        #expect(try database.query("SELECT id - \(id) FROM readable_tweets") == [["0"]])
        #expect(try database.query("SELECT tweet_id - \(id) FROM tweet_hashtags") == [["0"]])
    }

    @Test("a line that names an account is not exported as a line, and its post is exported in other forms")
    func linesOfTimelines() throws {
        let id = Self.first
        try Loader.claiming(database.url).settle(
            RelationsTests.batch([Self.line(id, of: 1), RelationsTests.line(id + 1, RelationsTests.user(9, "A"))]))
        #expect(try exported(.jsonl) == [id + 1])
        #expect(try exported(.csv) == [id, id + 1] && exported(.ids) == [id, id + 1])
    }

    /// The ids of an export of everything.
    private func exported(_ format: ExportFormat) throws -> [Int64] {
        var export = Export(ExportRequest(selection: .init(), format: format))
        var progress = ExportProgress(isTerminal: false) { false }
        let connection = try database.connect()
        let output = KeptIDs()
        _ = try export.run(connection, to: output, &progress)
        return output.ids
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

/// An output that keeps the ids.
private final class KeptIDs: ExportOutput {
    private(set) var ids: [Int64] = []

    func add(_ id: Int64, _ write: (inout [UInt8]) throws -> Void) throws { ids.append(id) }
    func finish() throws -> [ExportedFile] { [] }
    func abandon() {}
}
