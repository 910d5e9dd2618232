import Core
import Foundation
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Migration", .ownThreads, .timeLimit(.minutes(4)))
struct MigrationTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase(migrated: false)
    }

    @Test("the first run creates, the second changes nothing; a plain owner can do it")
    func twice() throws {
        let conninfo = try PostgresConninfo(database.url)
        let place = "PostgreSQL at 127.0.0.1 port \(try TestDatabase.port) database \(database.name)"
        let version = Migration.supported.upperBound
        func report(_ text: String) -> String {
            // The cluster of the tests runs without fsync, which is named.
            place + "\nwarning: fsync is off, set by the server's command line: "
                + "a crash of the server's machine may destroy the database\n" + text
        }
        #expect(try migrate(conninfo, payload: .jsonb) == report("created the schema, version \(version)"))
        let files = try database.query("SELECT oid, relfilenode FROM pg_class ORDER BY oid")
        #expect(try migrate(conninfo, payload: .jsonb) == report("nothing to do: the schema has version \(version)"))
        #expect(try migrate(conninfo) == report("nothing to do: the schema has version \(version)"))
        #expect(try database.query("SELECT oid, relfilenode FROM pg_class ORDER BY oid") == files)
        try Migration.check(database.connect())
        #expect(try database.query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [["f"]])
    }

    @Test("two runs at once do it once")
    func atOnce() throws {
        let url = database.url
        let runs = (0..<4).map { _ in Background { _ = try migrate(PostgresConninfo(url), payload: .jsonb) } }
        for run in runs { try run.join() }
        #expect(try database.query("SELECT version FROM schema_version") == [["\(Migration.supported.upperBound)"]])
    }

    @Test(
        "a schema outside the range is refused, with what to do",
        arguments: [(99, "newer tweet-loader"), (0, "migrate")])
    func outside(version: Int, remedy: String) throws {
        _ = try migrate(PostgresConninfo(database.url), payload: .jsonb)
        try database.query("UPDATE schema_version SET version = \(version)")
        let failure = #expect(throws: DatabaseError.self) { try Migration.check(database.connect()) }
        #expect(failure?.disposition == .operator(.settings))
        #expect(failure?.description.contains(remedy) == true)
        #expect(throws: DatabaseError.self) { _ = try migrate(PostgresConninfo(database.url), payload: .jsonb) }
        #expect(throws: DatabaseError.self) { _ = try Loader.claiming(database.url) }
    }

    @Test("a database without the schema is refused, with what to do")
    func missing() throws {
        let failure = #expect(throws: DatabaseError.self) { try Migration.check(database.connect()) }
        #expect(failure?.description.contains("tweet-loader migrate") == true)
    }

    @Test("tables of somebody else are left alone")
    func foreign() throws {
        try database.query("CREATE TABLE rejects (mine text)")
        let failure = #expect(throws: DatabaseError.self) {
            _ = try migrate(PostgresConninfo(database.url), payload: .jsonb)
        }
        #expect(failure?.disposition == .operator(.settings))
        #expect(failure?.description.contains("rejects") == true)
        #expect(try database.query("SELECT to_regclass('tweets')") == [[nil]])
    }

    @Test("the payload column changes its type, and a loader that needs another one says so")
    func payload() throws {
        let conninfo = try PostgresConninfo(database.url)
        _ = try migrate(conninfo, payload: .json)
        #expect(try database.query(PayloadMode.columnTypeSQL) == [["json"]])
        let failure = #expect(throws: DatabaseError.self) { _ = try Loader.claiming(database.url) }
        #expect(failure?.description.contains("--payload json") == true)
        #expect(try migrate(conninfo, payload: .jsonb).contains("tweets.payload is jsonb now"))
        _ = try Loader.claiming(database.url)
    }

    @Test("every table and every column has a comment")
    func comments() throws {
        _ = try migrate(PostgresConninfo(database.url), payload: .jsonb)
        let bare = try database.query(
            """
            SELECT c.relname, a.attname FROM pg_class c
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped OR a.attrelid = c.oid AND a.attnum = 1
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
            """)
        #expect(bare.isEmpty, "\(bare)")
    }

    /// Gives the database the schema of version 1 and a tweet; returns the tweet's partition.
    private func makeVersion1() throws -> TweetPartition {
        let fixture = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/schema-1.sql")
        try database.connect().execute(String(contentsOf: fixture, encoding: .utf8))
        let partition = TweetPartition(containing: TestLines.firstID)
        try database.query(
            """
            CREATE TABLE \(partition.name) PARTITION OF tweets
            FOR VALUES FROM (\(partition.lowerID ?? 0)) TO (\(partition.upperID ?? 0))
            """)
        try database.query(
            """
            INSERT INTO tweets (id, text, edit_ids, rule_ids, rule_tags, stream, received_at, kafka_topic,
                kafka_partition, kafka_offset, text_altered)
            VALUES (\(TestLines.firstID), 'x', '{7,\(TestLines.firstID)}', '{1,NULL,2,1}', '{a,b,NULL,a}', 's',
                '2026-01-01Z', 't', 0, 0, false)
            """)
        return partition
    }

    @Test("a database of version 1 becomes the very one that a fresh schema is, and keeps its rows")
    func fromVersion1() throws {
        let partition = try makeVersion1()
        let failure = #expect(throws: DatabaseError.self) { try Migration.check(database.connect()) }
        #expect(failure?.description.contains("run `tweet-loader migrate`") == true)
        let conninfo = try PostgresConninfo(database.url)
        #expect(
            try migrate(conninfo, payload: .jsonb)
                .hasSuffix("migrated the schema from version 1 to \(Migration.supported.upperBound)"))
        #expect(
            try migrate(conninfo, payload: .jsonb)
                .hasSuffix("nothing to do: the schema has version \(Migration.supported.upperBound)"))
        #expect(try database.query("SELECT text, matched FROM tweets") == [["x", "t"]])
        #expect(
            try database.query("SELECT rule_id, tag, stream, tableoid::regclass FROM tweet_rules ORDER BY 1")
                == [["1", "a", "s", partition.rulesName], ["2", nil, "s", partition.rulesName]])
        #expect(try database.query("SELECT current_version(7)") == [["\(TestLines.firstID)"]])
        try Loader.claiming(database.url).settle(TestLines.batch(TestLines.tweets(3)))
        #expect(try database.query("SELECT count(*) FROM tweets") == [["3"]])
        let fresh = try TestDatabase()
        for sql in Self.catalogSQL {
            let difference = try Set(database.query(sql)).symmetricDifference(fresh.query(sql))
            #expect(difference.isEmpty, "\(difference)")
        }
    }

    /// What a catalog holds of the project: tables and columns, constraints and indexes, functions, triggers, views.
    private static let catalogSQL = [
        """
        SELECT c.relname, c.relkind, c.reloptions, obj_description(c.oid, 'pg_class'), a.attname,
            format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcompression, a.attidentity,
            col_description(c.oid, a.attnum), pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND NOT c.relispartition
        ORDER BY c.relname, a.attname
        """,
        """
        SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
            AND conrelid IN (SELECT oid FROM pg_class WHERE NOT relispartition) ORDER BY 1, 2
        """,
        """
        SELECT indexdef FROM pg_indexes JOIN pg_class ON oid = format('%I.%I', schemaname, tablename)::regclass
        WHERE schemaname = 'public' AND NOT relispartition ORDER BY 1
        """,
        """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid), obj_description(oid, 'pg_proc') FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace ORDER BY 1
        """,
        """
        SELECT pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger') FROM pg_trigger t
        WHERE NOT tgisinternal ORDER BY 1
        """,
        "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    ]
}
