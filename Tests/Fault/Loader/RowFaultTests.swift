import Core
import Foundation
import Sandbox
import Testing
import TweetFormat

@testable import TweetLoader

@Suite(.timeLimit(.minutes(4))) struct RowFaultTests {
    /// Three bad rows among 5,000, each refused with a SQLSTATE of its own.
    @Test func f66PoisonInABatchOf5000IsFoundInFewStatements() throws {
        let bench = try LoaderBench(partitions: 1)
        let bad: [Int64: String] = [7: "22P05", 2500: "23514", 4999: "22003"]
        try bench.query(
            """
            CREATE FUNCTION check_text() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.text LIKE 'bad %' THEN
                    RAISE EXCEPTION 'no' USING ERRCODE = right(NEW.text, 5);
                END IF;
                RETURN NEW;
            END $$
            """)
        try bench.query("CREATE TRIGGER check_text BEFORE INSERT ON tweets FOR EACH ROW EXECUTE FUNCTION check_text()")
        try bench.query("ALTER DATABASE \(bench.database) SET log_statement = 'all'")
        try bench.publish(1...5000) { number in bad[number].map { "bad \($0)" } ?? "good" }
        bench.url += "?application_name=\(bench.database)"
        try bench.start("loader", ["--max-rows", "5000", "--max-age", "20s"])
        try bench.expectAll(5000, rejects: 3)
        #expect(
            try bench.query("SELECT seq, sqlstate FROM rejects WHERE reason = 'database' ORDER BY seq")
                == [["7", "22P05"], ["2500", "23514"], ["4999", "22003"]])
        #expect(bench.end())
        // The whole, the probe, the whole in a savepoint, and two for each of log2(5000) halvings of each bad row.
        #expect(bench.logged().contains("rejects=3"))
        let copies = bench.postgres.log.split(separator: "\n").count { $0.contains("statement: COPY tweets") }
        #expect(copies <= 5 + 26 * bad.count)
    }

    @Test(arguments: [
        "ALTER TABLE tweets ALTER COLUMN reply_settings TYPE integer USING NULL",
        "ALTER TABLE tweets RENAME COLUMN reply_settings TO replies",
        "ALTER TABLE tweets ADD CONSTRAINT never CHECK (false) NOT VALID",
    ])
    func f67WhenEveryRowIsRefusedNothingIsRejected(damage: String) throws {
        let bench = try LoaderBench()
        try bench.start("loader", ["--max-rows", "500"])
        try bench.publish(1...50)
        try bench.expectAll(50)
        try bench.query(damage)
        try bench.publish(51...1050)
        #expect(
            bench.wait { bench.logged().contains("loading is paused until this is fixed") },
            "\(bench.logged())")
        #expect(try bench.waitForAttempts(3), "\(bench.logged())")
        #expect(bench.number("SELECT count(*) FROM rejects") == 0)
        #expect(bench.stored == 50)
        #expect(bench.logged().components(separatedBy: "loading is paused until").count == 2, "told once")
        let mended = [
            "integer": "ALTER TABLE tweets ALTER COLUMN reply_settings TYPE text",
            "replies": "ALTER TABLE tweets RENAME COLUMN replies TO reply_settings",
            "never": "ALTER TABLE tweets DROP CONSTRAINT never",
        ]
        for (word, remedy) in mended where damage.contains(word) { try bench.query(remedy) }
        try bench.expectAll(1050)
    }

    @Test func f68ASchemaOutsideTheRangeIsNotWrittenTo() throws {
        let bench = try LoaderBench()
        try bench.start()
        try bench.publish(1...100)
        try bench.expectAll(100)
        try bench.query("INSERT INTO schema_version (version) VALUES (99)")
        try bench.terminateSessions()
        try bench.publish(101...200)
        #expect(bench.wait { bench.logged().contains("install a newer tweet-loader") }, "\(bench.logged())")
        #expect(bench.stored == 100)
        let refusal = #expect(throws: Failure.self) { try bench.run(["status"]) }
        #expect(refusal?.description.contains("exit status 78") == true)
        try bench.query("DELETE FROM schema_version WHERE version = 99")
        try bench.expectAll(200)
        #expect(bench.end())
        try bench.query("UPDATE schema_version SET version = 0")
        let old = try bench.start("old", isNewGroup: true)
        #expect(old.wait(timeout: .seconds(120)) == .status(78))
        #expect(bench.logged("old").contains("run `tweet-loader migrate`"))
    }

    @Test func f69AMissingMonthIsCreated() throws {
        let bench = try LoaderBench()
        try bench.start()
        try bench.publish(1...100)
        try bench.expectAll(100)
        let month = TweetPartition(containing: LoaderBench.firstID + 1).name
        try bench.query("DROP TABLE \(month)")
        // Behind the loader's back, in the middle of a month; and a month that lies ahead.
        try bench.publish(101...200)
        let later = try #require(Snowflake.firstID(at: .now().advanced(by: .seconds(80 * 86_400))))
        try bench.publish(
            .init(
                topic: "tweets", key: "\(later)", value: LoaderBench.tweet(later - LoaderBench.firstID),
                headers: LoaderBench.headers(201)))
        #expect(bench.wait { bench.stored == 101 }, "\(bench.logged())")
        let current = TweetPartition(at: .now())
        for partition in [TweetPartition(containing: later), current, try #require(current.next)] {
            #expect(try bench.query("SELECT to_regclass('\(partition.name)') IS NOT NULL") == [["t"]])
        }
        #expect(bench.number("SELECT count(*) FROM rejects") == 0)
        #expect(
            try bench.query("SELECT tableoid::regclass::text FROM tweets WHERE id = \(later)") == [
                [TweetPartition(containing: later).name]
            ])
    }
}
