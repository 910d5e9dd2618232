import Core
import Foundation
import KafkaClient
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: new users, media, polls and places", .ownThreads, .timeLimit(.minutes(5)))
struct NewStatesTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private static let first = TestLines.firstID

    /// Lines that each bring one user, one medium, one poll and one place.
    private static func lines(_ things: some Sequence<Int>, name: String = "new", ids: Int64 = first) -> [String?] {
        things.map { thing in
            RelationsTests.line(
                ids + Int64(thing),
                RelationsTests.user(Int64(thing), name)
                    + #","media":[{"media_key":"3_\#(thing)","alt_text":"\#(name) \\ \"quoted\""}],"#
                    + #""polls":[{"id":"\#(thing)","voting_status":"\#(name)"}],"#
                    + #""places":[{"id":"p\"\#(thing)","name":"\#(name)"}]"#)
        }
    }

    private func counts() throws -> [[String?]] {
        try database.query(
            """
            SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM media), (SELECT count(*) FROM polls),
                (SELECT count(*) FROM places), (SELECT count(*) FROM tweets), (SELECT count(*) FROM rejects)
            """)
    }

    @Test("what is new is copied into its table; only what has changed is staged")
    func staged() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(RelationsTests.batch(Self.lines(0..<50)))
        #expect(try counts() == [["50", "50", "50", "50", "50", "0"]])
        #expect(try database.staging(whileLiving: loader) == [])
        let changed = Self.lines(10..<20, name: "changed", ids: Self.first + 1000)
        let second = try Loader.claiming(database.url)
        try second.settle(RelationsTests.batch(changed, firstOffset: 50, at: 50))
        let staged = try database.staging(whileLiving: second)
        for table in ["media", "places", "polls", "users"] { #expect(staged.contains("\(table)_staging")) }
        let tables = [
            ("users", "name"), ("media", "split_part(alt_text, ' ', 1)"), ("polls", "voting_status"),
            ("places", "name"),
        ]
        for (table, column) in tables {
            #expect(
                try database.query("SELECT count(*), count(*) FILTER (WHERE \(column) = 'changed') FROM \(table)")
                    == [["50", "10"]], "\(table)")
        }
        #expect(try database.query("SELECT count(*) FROM user_history WHERE name = 'new'") == [["10"]])
    }

    @Test("a redelivery to a loader that knows nothing writes no state again")
    func redelivery() throws {
        let lines = Self.lines(0..<50)
        try Loader.claiming(database.url).settle(RelationsTests.batch(lines))
        let sql = """
            SELECT string_agg(xmin::text || ' ' || xmax::text || ' ' || ctid::text, ',' ORDER BY id)
            FROM (SELECT xmin, xmax, ctid, id::text FROM users UNION ALL SELECT xmin, xmax, ctid, media_key FROM media
                UNION ALL SELECT xmin, xmax, ctid, id::text FROM polls UNION ALL SELECT xmin, xmax, ctid, id FROM places) AS s
            """
        let before = try database.query(sql)
        try database.query("DELETE FROM loader_offsets")
        try Loader.claiming(database.url).settle(RelationsTests.batch(lines))
        #expect(try counts() == [["50", "50", "50", "50", "50", "0"]])
        #expect(try database.query(sql) == before)
        #expect(try database.query("SELECT count(*) FROM user_history") == [["0"]])
    }

    @Test(
        "a new thing that another writer commits meanwhile costs nothing: both states are kept, the newest is current",
        arguments: ["users", "media", "polls", "places"])
    func race(table: String) throws {
        let (key, value, column) =
            switch table {
            case "users": ("id", "25", "name")
            case "media": ("media_key", "'3_25'", "split_part(alt_text, ' ', 1)")
            case "polls": ("id", "25", "voting_status")
            default: ("id", #"'p"25'"#, "name")
            }
        let text = table == "media" ? "alt_text" : column
        for (seenAt, newest) in [("2025-01-01", "new"), ("2026-01-01", "other")] {
            try database.connect().execute(
                "TRUNCATE users, user_history, media, polls, places, tweets, tweet_rules; DELETE FROM loader_offsets")
            let (url, lines) = (database.url, Self.lines(0..<50))
            let other = try database.connect()
            try other.execute(
                """
                BEGIN; INSERT INTO \(table) (\(key), \(text), fingerprint, text_altered, seen_in, seen_at)
                VALUES (\(value), 'other', 1, false, 1, '\(seenAt)')
                """)
            let loading = Background { try Loader.claiming(url).settle(RelationsTests.batch(lines)) }
            try database.waitForBlocked()
            try other.execute("COMMIT")
            try loading.join()
            #expect(try counts() == [["50", "50", "50", "50", "50", "0"]])
            #expect(try database.query("SELECT \(column) FROM \(table) WHERE \(key) = \(value)") == [[newest]])
            guard table == "users" else { continue }
            #expect(
                try database.query("SELECT name, is_current FROM user_states WHERE id = 25 ORDER BY seen_at")
                    == (newest == "new" ? [["other", "f"], ["new", "t"]] : [["new", "f"], ["other", "t"]]))
        }
    }

    @Test("a unique index of the operator's own makes rejects of the lines that violate it, and only of them")
    func foreignIndex() throws {
        try database.query("CREATE UNIQUE INDEX own ON users (username)")
        var lines = Self.lines(0..<50)
        lines[37] = RelationsTests.line(
            Self.first + 37, #""users":[{"id":"37","username":"u7","name":"twin"}]"#)
        try Loader.claiming(database.url).settle(RelationsTests.batch(lines))
        #expect(try database.query("SELECT sqlstate, seq FROM rejects") == [["23505", "38"]])
        #expect(try counts() == [["49", "49", "49", "49", "49", "1"]])
    }

    @Test("writers that bring overlapping new and changed things, over and over, never deadlock and lose nothing")
    func overlapping() throws {
        let url = database.url
        let loaders = (0..<3).map { number in
            Background {
                let partition = TopicPartition("tweets", Int32(number))
                let loader = try Loader.claiming(url, [partition], owner: "\(number)")
                for round in 0..<12 {
                    // Half of the things are new in each round, the others changed.
                    let things = (round * 50)..<(round * 50 + 100)
                    let lines = Self.lines(
                        number == 1 ? Array(things.reversed()) : Array(things), name: "\(round) \(number)",
                        ids: Self.first + Int64((round * 3 + number) * 10_000))
                    try loader.settle(
                        RelationsTests.batch(
                            lines, firstOffset: Int64(round * 100), partition: Int32(number), at: Int64(round * 1000)))
                }
            }
        }
        for loader in loaders { try loader.join() }
        #expect(try counts() == [["650", "650", "650", "650", "3600", "0"]])
        // Every state came at its own time, so each is there exactly once.
        #expect(
            try database.query("SELECT count(*), count(DISTINCT (id, name)) FROM user_states") == [["3600", "3600"]])
        #expect(
            try database.query(
                "SELECT count(*) FROM users u WHERE EXISTS (SELECT FROM user_history h WHERE h.id = u.id AND h.seen_at > u.seen_at)"
            ) == [["0"]])
        #expect(
            try database.query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [["0"]])
    }
}

@Suite("Loader: tweets that were included before they matched", .ownThreads, .timeLimit(.minutes(5)))
struct IncludedTweetsTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private static let first = TestLines.firstID
    private static let rows = """
        SELECT t.id - \(first), t.text, t.matched, t.payload IS NOT NULL, (SELECT count(*) FROM tweet_rules r WHERE r.tweet_id = t.id)
        FROM tweets t ORDER BY id
        """

    /// A line of tweet `number` that includes others.
    private static func line(_ number: Int64, including others: [Int64] = []) -> String {
        let tweets = others.map { #"{"id":"\#(first + $0)","text":"included"}"# }.joined(separator: ",")
        return RelationsTests.line(first + number, #""tweets":[\#(tweets)]"#)
    }

    @Test("a matched tweet takes the place of its included row, once, and nothing is staged for it")
    func upgrade() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(RelationsTests.batch([Self.line(1, including: [2, 3])]))
        try loader.settle(RelationsTests.batch([Self.line(2), Self.line(4, including: [2, 3])], firstOffset: 1))
        let expected = [
            ["1", "x", "t", "t", "1"], ["2", "x", "t", "t", "1"], ["3", "included", "f", "f", "0"],
            ["4", "x", "t", "t", "1"],
        ]
        #expect(try database.query(Self.rows) == expected)
        // Matched already: the first delivery stays.
        try loader.settle(RelationsTests.batch([Self.line(2), Self.line(1)], firstOffset: 3))
        #expect(try database.query(Self.rows) == expected)
        #expect(try !database.staging(whileLiving: loader).contains("tweets_staging"))
    }

    @Test("a tweet that another writer upgrades or deletes meanwhile is stored once", arguments: ["upgrade", "delete"])
    func race(change: String) throws {
        let database = database
        let loading = Background {
            let loader = try Loader.claiming(database.url)
            try loader.settle(RelationsTests.batch([Self.line(1, including: [2])]))
            #expect(
                try eventually(within: .seconds(60)) { try database.query("SELECT to_regclass('changed')") != [[nil]] })
            try loader.settle(RelationsTests.batch([Self.line(2), Self.line(3)], firstOffset: 1))
        }
        #expect(
            try eventually(within: .seconds(60)) { try database.query("SELECT count(*) FROM tweets") == [["2"]] })
        let id = Self.first + 2
        let other = try database.connect()
        try other.execute(
            change == "upgrade"
                ? "BEGIN; UPDATE tweets SET matched = true, text = 'other', included_by = NULL WHERE id = \(id)"
                : "BEGIN; DELETE FROM tweets WHERE id = \(id)")
        try database.query("CREATE TABLE changed ()")
        try database.waitForBlocked()
        try other.execute("COMMIT")
        try loading.join()
        let text = change == "upgrade" ? "other" : "x"
        #expect(
            try database.query("SELECT id - \(Self.first), text, matched FROM tweets ORDER BY id")
                == [["1", "x", "t"], ["2", text, "t"], ["3", "x", "t"]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }
}

extension TestDatabase {
    /// Waits until a session waits for a lock of another.
    func waitForBlocked() throws {
        let sql = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
            """
        try #require(try eventually(within: .seconds(60)) { try query(sql) != [["0"]] }, "no session waits")
    }

    /// The staging tables of all sessions, those of a loader among them.
    fileprivate func staging(whileLiving loader: Loader) throws -> [String?] {
        try withExtendedLifetime(loader) {
            try query(
                "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relname LIKE '%_staging' ORDER BY relname"
            ).map { $0[0] }
        }
    }
}
