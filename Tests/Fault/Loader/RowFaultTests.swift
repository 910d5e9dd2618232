import Core
import Foundation
import Sandbox
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct RowFaultTests {
    /// Three bad rows among 5,000, each refused with a SQLSTATE of its own.
    @Test func f66PoisonInABatchOf5000IsFoundInFewStatements() throws {
        let loaders = try LoaderRun(partitions: 1)
        let bad: [Int64: String] = [7: "22P05", 2500: "23514", 4999: "22003"]
        try loaders.query(
            """
            CREATE FUNCTION check_text() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.text LIKE 'bad %' THEN
                    RAISE EXCEPTION 'no' USING ERRCODE = right(NEW.text, 5);
                END IF;
                RETURN NEW;
            END $$
            """)
        try loaders.query(
            "CREATE TRIGGER check_text BEFORE INSERT ON tweets FOR EACH ROW EXECUTE FUNCTION check_text()")
        try loaders.query("ALTER DATABASE \(loaders.database) SET log_statement = 'all'")
        try loaders.publish(1...5000) { number in bad[number].map { "bad \($0)" } ?? "good" }
        loaders.url += "?application_name=\(loaders.database)"
        try loaders.start("loader", ["--max-rows", "5000", "--max-age", "20s"])
        try loaders.expectAll(5000, rejects: 3)
        #expect(
            try loaders.query("SELECT seq, sqlstate FROM rejects WHERE reason = 'database' ORDER BY seq")
                == [["7", "22P05"], ["2500", "23514"], ["4999", "22003"]])
        #expect(loaders.end())
        // The whole, the probe, the whole in a savepoint, and two for each of log2(5000) halvings of each bad row.
        #expect(loaders.logged().contains("rejects=3"))
        let copies = loaders.postgres.log.split(separator: "\n").count { $0.contains("statement: COPY tweets") }
        #expect(copies <= 5 + 26 * bad.count)
    }

    @Test(arguments: [
        "ALTER TABLE tweets ALTER COLUMN reply_settings TYPE integer USING NULL",
        "ALTER TABLE tweets RENAME COLUMN reply_settings TO replies",
        "ALTER TABLE tweets ADD CONSTRAINT never CHECK (false) NOT VALID",
    ])
    func f67WhenEveryRowIsRefusedNothingIsRejected(damage: String) throws {
        let loaders = try LoaderRun()
        try loaders.start("loader", ["--max-rows", "500"])
        try loaders.publish(1...50)
        try loaders.expectAll(50)
        // A view keeps the types of its columns.
        try loaders.query("DROP VIEW public_tweets CASCADE")
        try loaders.query(damage)
        try loaders.publish(51...1050)
        #expect(
            loaders.wait { loaders.logged().contains("loading is paused until this is fixed") },
            "\(loaders.logged())")
        #expect(try loaders.waitForAttempts(3), "\(loaders.logged())")
        #expect(loaders.number("SELECT count(*) FROM rejects") == 0)
        #expect(loaders.stored == 50)
        #expect(loaders.logged().components(separatedBy: "loading is paused until").count == 2, "told once")
        let mended = [
            "integer": "ALTER TABLE tweets ALTER COLUMN reply_settings TYPE text",
            "replies": "ALTER TABLE tweets RENAME COLUMN replies TO reply_settings",
            "never": "ALTER TABLE tweets DROP CONSTRAINT never",
        ]
        for (word, remedy) in mended where damage.contains(word) { try loaders.query(remedy) }
        try loaders.expectAll(1050)
    }

    @Test func f68ASchemaOutsideTheRangeIsNotWrittenTo() throws {
        let loaders = try LoaderRun()
        try loaders.start()
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        try loaders.query("INSERT INTO schema_version (version) VALUES (99)")
        try loaders.terminateSessions()
        try loaders.publish(101...200)
        #expect(loaders.wait { loaders.logged().contains("install a newer tweet-loader") }, "\(loaders.logged())")
        #expect(loaders.stored == 100)
        let refusal = #expect(throws: Failure.self) { try loaders.run(["status"]) }
        #expect(refusal?.description.contains("exit status 78") == true)
        try loaders.query("DELETE FROM schema_version WHERE version = 99")
        try loaders.expectAll(200)
        #expect(loaders.end())
        try loaders.query("UPDATE schema_version SET version = 0")
        let old = try loaders.start("old", isNewGroup: true)
        #expect(old.wait(timeout: .seconds(120)) == .status(78))
        #expect(loaders.logged("old").contains("run `tweet-loader migrate`"))
    }

    @Test func f69AMissingMonthIsCreated() throws {
        let loaders = try LoaderRun()
        try loaders.start()
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        let month = TweetPartition(containing: LoaderRun.firstID + 1).name
        try loaders.query("DROP TABLE public_partitions.\(month)")
        // Behind the loader's back, in the middle of a month; and a month that lies ahead.
        try loaders.publish(101...200)
        let later = try #require(Snowflake.firstID(at: .now().advanced(by: .seconds(80 * 86_400))))
        try loaders.publish(
            .init(
                topic: "tweets", key: "\(later)", value: LoaderRun.tweet(later - LoaderRun.firstID),
                headers: LoaderRun.headers(201)))
        #expect(loaders.wait { loaders.stored == 101 }, "\(loaders.logged())")
        let current = TweetPartition(at: .now())
        for partition in [TweetPartition(containing: later), current, try #require(current.next)] {
            let name = "public_partitions.\(partition.name)"
            #expect(try loaders.query("SELECT to_regclass('\(name)') IS NOT NULL") == [["t"]])
        }
        #expect(loaders.number("SELECT count(*) FROM rejects") == 0)
        #expect(
            try loaders.query("SELECT tableoid::regclass::text FROM tweets WHERE id = \(later)") == [
                ["public_partitions.\(TweetPartition(containing: later).name)"]
            ])
    }
}
