import Core
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: commands that look and replay", .ownThreads, .timeLimit(.minutes(5)))
struct CommandTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private func replay(_ arguments: [String] = [], isDryRun: Bool = false) throws -> RejectReplay.Result {
        let connection = try database.connect()
        var replay = RejectReplay(payload: .jsonb, isDryRun: isDryRun)
        return try replay.run(RejectSelection.parse(arguments), connection)
    }

    @Test("where PostgreSQL accepts no row at all, no reject is judged")
    func replayWithoutAnyRow() throws {
        try database.query("ALTER TABLE tweets ADD CONSTRAINT no_bad CHECK (text <> 'bad')")
        let line = TestLines.tweet(TestLines.firstID, text: "bad")
        try Loader.claiming(database.url).settle(TestLines.batch([line]))
        try database.query("ALTER TABLE tweets ADD CONSTRAINT nothing CHECK (false) NOT VALID")
        let error = #expect(throws: DatabaseError.self) { try replay() }
        #expect(error?.disposition == .wait)
        #expect(error?.description.contains("PostgreSQL rejects every row") == true, "\(error as Any)")
        #expect(try database.query("SELECT count(*) FROM rejects") == [["1"]])
    }

    private func read(_ arguments: [String]) throws -> [Int64] {
        let connection = try database.connect()
        return try StoredReject.read(RejectSelection.parse(arguments), limit: 100, connection).map(\.id)
    }

    @Test("rejects whose reason is gone become rows, the others stay, and a second replay changes nothing")
    func replayOfWhatIsMended() throws {
        try database.query("ALTER TABLE tweets ADD CONSTRAINT no_bad CHECK (text <> 'bad')")
        let loader = try Loader.claiming(database.url)
        var lines: [String?] = (0..<20).map { number in
            TestLines.tweet(TestLines.firstID + number, text: number < 3 ? "bad" : "good")
        }
        lines.append("no json")
        try loader.settle(TestLines.batch(lines))
        let ledger = try database.query("SELECT settled FROM stream_ledger_pending")
        #expect(try replay().text.hasPrefix("replayed 0 of 4: "), "the table still refuses them")
        try database.query("ALTER TABLE tweets DROP CONSTRAINT no_bad")
        let dry = try replay(isDryRun: true)
        #expect(dry.replayed == 3)
        #expect(try database.query("SELECT count(*) FROM rejects") == [["4"]], "nothing was changed")
        let result = try replay(["--reason", "23514"])
        #expect([result.rejects, result.replayed, result.inserted, result.duplicates] == [3, 3, 3, 0])
        #expect(try database.query("SELECT count(*) FROM tweets") == [["20"]])
        #expect(
            try database.query(
                "SELECT stream, journal, seq, kafka_offset FROM tweets WHERE id = \(TestLines.firstID + 1)")
                == [["test", "0a1b2c3d", "2", "1"]])
        let again = try replay()
        #expect([again.rejects, again.replayed] == [1, 0])
        #expect(again.remaining == ["not_json": 1])
        #expect(try database.query("SELECT settled FROM stream_ledger_pending") == ledger, "settled is settled")
    }

    @Test("a reject whose tweet has come meanwhile is one no longer, and the row stays one")
    func replayOfWhatIsThere() throws {
        try database.query("ALTER TABLE tweets ADD CONSTRAINT no_bad CHECK (text <> 'bad')")
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch([TestLines.tweet(TestLines.firstID, text: "bad")]))
        try loader.settle(TestLines.batch([TestLines.tweet(TestLines.firstID)], firstOffset: 1))
        try database.query("ALTER TABLE tweets DROP CONSTRAINT no_bad")
        let result = try replay()
        #expect([result.replayed, result.inserted, result.duplicates] == [1, 0, 1])
        #expect(try database.query("SELECT text FROM tweets") == [["hello"]])
    }

    @Test("rejects are selected by reason, time, place and number")
    func selection() throws {
        try database.query(
            """
            INSERT INTO rejects (reason, sqlstate, rejected_at, kafka_topic, kafka_partition, kafka_offset, value)
            VALUES ('not_json', NULL, now() - interval '3 hours', 'my-tweets', 0, 5, 'a'),
                ('database', '22P05', now() - interval '1 hour', 'my-tweets', 1, 6, 'b'),
                ('database', '23514', now(), 'my-tweets', 1, 7, NULL)
            """)
        #expect(try read([]) == [1, 2, 3])
        #expect(try read(["--reason", "database"]) == [2, 3])
        #expect(try read(["--reason", "22P05"]) == [2])
        #expect(try read(["--since", "2h"]) == [2, 3])
        #expect(try read(["--since", "2h", "--until", "30m"]) == [2])
        #expect(try read(["--partition", "my-tweets-1", "--offsets", "7-9"]) == [3])
        #expect(try read(["1", "3"]) == [1, 3])
        for wrong in [
            ["--since", "yesterday"], ["--partition", "tweets"], ["--offsets", "9-1"], ["--offsets", "x"],
        ] {
            #expect(throws: (any Error).self) { try read(wrong) }
        }
    }

    @Test("explain shows the way of a tweet, a reject, and the gap of one that never came")
    func explain() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(
            TestLines.batch([TestLines.tweet(TestLines.firstID), #"{"data":{"id":"\#(TestLines.firstID + 1)"}}"#]))
        let connection = try database.connect()
        let stored = try TweetTrace(TestLines.firstID, connection)
        #expect(stored.stored?.seq == 1)
        #expect(stored.stored?.rules.map(\.id) == ["1"])
        for part in [
            "2025-10-09T08:53:20.000Z, on connection 1759999999000", "test 0a1b2c3d, line 1", "tweets-0, offset 0",
            "1 (r)",
        ] { #expect(stored.text.contains(part), "\(stored.text)") }
        let rejected = try TweetTrace(TestLines.firstID + 1, connection)
        #expect(rejected.stored == nil)
        #expect(rejected.rejects.map(\.reason) == ["not_a_tweet"])
        try database.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, cause, newest_id)
            VALUES ('test', '0a1b2c3d', 9, tweet_time($1::bigint) + interval '1 minute',
                tweet_time($1::bigint) + interval '2 minutes', 'stall', $1::bigint + 1000)
            """, ["\(TestLines.firstID)"])
        let minute: Int64 = 60_000 << 22
        #expect(
            try TweetTrace(TestLines.firstID + minute * 3 / 2, connection).text.contains("it may lie in a gap: test"))
        #expect(
            try TweetTrace(TestLines.firstID + 5, connection).gaps.isEmpty, "received before the gap, had it been sent")
        let late = try TweetTrace(TestLines.firstID + 3 * minute, connection)
        #expect(late.text.contains("no gap covers it"))
        #expect(late.json().contains(#""rejects" : ["#))
    }

    @Test("a tweet from before the recording was never collected, and a deleted one lies in no gap")
    func explainAbsence() throws {
        try database.query(
            """
            INSERT INTO stream_events (type, at, kafka_topic, kafka_partition, kafka_offset)
            VALUES ('started', tweet_time($1::bigint), 't', 0, 0)
            """, ["\(TestLines.firstID)"])
        try database.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, cause)
            VALUES ('test', '0a1b2c3d', 9, tweet_time($1::bigint), 'stall')
            """, ["\(TestLines.firstID)"])
        let connection = try database.connect()
        let old = try TweetTrace(1_266_850_733_409_931_264, connection)
        #expect(old.isOlderThanRecording && old.gaps.isEmpty)
        #expect(
            old.text.hasSuffix("not stored: posted before recording began (2020-05-30 < 2022-03-05): never collected"),
            "\(old.text)")
        #expect(try TweetTrace(20, connection).text.contains("(before 2010-11 < 2022-03-05)"))
        let deleted = TestLines.firstID + 5
        #expect(try TweetTrace(deleted, connection).text.contains("it may lie in a gap"))
        try database.query(
            """
            INSERT INTO tweet_deletions (tweet_id, deleted_at, tweets, kafka_topic, kafka_partition, kafka_offset)
            VALUES ($1::bigint, now(), 1, 't', 0, 1)
            """, ["\(deleted)"])
        let way = try TweetTrace(deleted, connection)
        #expect(way.gaps.isEmpty)
        #expect(way.text.hasSuffix("not here: it was deleted"))
    }

    @Test(
        "a tweet is named by its id or by a link",
        arguments: [
            "1866459871234567890", "https://x.com/user/status/1866459871234567890",
            "x.com/i/status/1866459871234567890",
            "https://twitter.com/user/status/1866459871234567890?s=20&t=abc",
            "http://mobile.twitter.com/user/statuses/1866459871234567890/photo/1",
            "https://www.x.com/i/web/status/1866459871234567890#m", "HTTPS://X.com/user/status/1866459871234567890/",
        ])
    func links(text: String) {
        #expect(TweetLink.id(in: text) == 1_866_459_871_234_567_890)
    }

    @Test(
        "what names no tweet is refused",
        arguments: [
            "", "abc", "-5", "99999999999999999999", "https://x.com/user", "https://x.com/status/5",
            "https://example.com/user/status/5", "https://x.com/user/status/5a", "https://x.com/user/status/",
            "https://notx.com/user/status/5",
        ])
    func noLinks(text: String) {
        #expect(TweetLink.id(in: text) == nil)
    }

    @Test("the rate of a partition is a mean of the last seconds")
    func rate() {
        var rate = MeanRate()
        let start = ContinuousClock.now
        for second in 1...60 as ClosedRange<Int64> { rate = rate.adding(100, now: start + .seconds(second)) }
        #expect(abs(rate.perSecond - 100) < 1)
        rate = rate.adding(0, now: start + .seconds(120))
        #expect(rate.perSecond < 1)
    }

    @Test("an unmended table of events rejects no event")
    func eventsRefused() throws {
        try database.query("ALTER TABLE stream_events ADD CONSTRAINT never CHECK (false) NOT VALID")
        let (url, log) = (database.url, LogRecorder())
        let event = #"{"pipeline_event":{"type":"started","at":"2026-11-20T08:00:00.000Z"}}"#
        let loading = Background { try Loader.claiming(url, log: log).settle(TestLines.batch([event])) }
        #expect(log.wait(for: "rejects every row"))
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        try database.query("ALTER TABLE stream_events DROP CONSTRAINT never")
        try loading.join()
        #expect(try database.query("SELECT type FROM stream_events") == [["started"]])
    }
    @Test("f73: an event that is rejected just before the table of events is fixed is no reject")
    func eventBeforeAFix() throws {
        // A sequence outlives the rollback: the first row is rejected, and what follows is accepted, the probe first of all.
        try database.connect().execute(
            """
            CREATE SEQUENCE attempts;
            CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('attempts') = 1 THEN RAISE check_violation USING MESSAGE = 'not yet'; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER once BEFORE INSERT ON stream_events FOR EACH ROW EXECUTE FUNCTION once()
            """, doing: "reject once")
        let event = #"{"pipeline_event":{"type":"started","at":"2026-11-20T08:00:00.000Z"}}"#
        try Loader.claiming(database.url, log: LogRecorder()).settle(TestLines.batch([event]))
        #expect(try database.query("SELECT type FROM stream_events") == [["started"]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }
}
