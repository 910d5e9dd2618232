import Core
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("settings of role and database", .ownThreads, .timeLimit(.minutes(4)))
struct HostileSettingsTests {
    /// What a role may set that would change how statements read, or what they do.
    private static let hostile = [
        ("DateStyle", "German, DMY"), ("IntervalStyle", "sql_standard"), ("TimeZone", "Asia/Kathmandu"),
        ("timezone_abbreviations", "India"), ("bytea_output", "escape"), ("extra_float_digits", "-15"),
        ("standard_conforming_strings", "off"), ("array_nulls", "off"), ("transform_null_equals", "on"),
        ("backslash_quote", "off"), ("quote_all_identifiers", "on"), ("xmloption", "document"), ("xmlbinary", "hex"),
        ("default_transaction_isolation", "serializable"), ("default_transaction_deferrable", "on"),
        ("exit_on_error", "on"), ("gin_fuzzy_search_limit", "1"), ("row_security", "on"), ("statement_timeout", "1000"),
        ("lock_timeout", "1"), ("idle_session_timeout", "1000"), ("idle_in_transaction_session_timeout", "1000"),
        ("client_encoding", "LATIN1"), ("client_min_messages", "error"), ("jit", "on"),
        ("plan_cache_mode", "force_generic_plan"), ("enable_partition_pruning", "off"), ("work_mem", "64"),
        ("synchronous_commit", "off"), ("tcp_keepalives_idle", "1"), ("constraint_exclusion", "off"),
    ]

    private func hostileDatabase() throws -> TestDatabase {
        let database = try TestDatabase(migrated: false)
        for (index, (name, value)) in Self.hostile.enumerated() {
            let target = index % 2 == 0 ? "ROLE tweets IN DATABASE" : "DATABASE"
            _ = try database.superuser("ALTER \(target) \(database.name) SET \(name) = '\(value)'")
        }
        // A migration does not try again: a catalog lock held for a millisecond, on a busy machine, would end it.
        _ = try database.superuser("ALTER ROLE tweets IN DATABASE \(database.name) SET lock_timeout = 0")
        _ = try migrate(PostgresConninfo(database.url))
        _ = try database.superuser("ALTER ROLE tweets IN DATABASE \(database.name) SET lock_timeout = 1")
        return database
    }

    /// Over hundreds of monthly tables, compiling takes ten times as long as the query: an export of 4,443 tweets took 25 s.
    @Test func statementsAreNotCompiled() throws {
        let database = try hostileDatabase()
        #expect(try database.connect().setting("jit")?.value == "off")
    }

    /// Loads tweets, bad rows, events and a deletion; returns what is stored, and what `explain` shows.
    private func load(_ database: TestDatabase, _ log: LogRecorder) throws -> [String] {
        _ = try database.superuser("ALTER TABLE tweets ADD CONSTRAINT no_bad CHECK (text <> 'bad')")
        let loader = try Loader.claiming(database.url, log: log)
        let first = TestLines.firstID
        let extra =
            #","created_at":"2022-03-05T01:02:03.456Z","lang":"ja","geo":{"coordinates":{"type":"Point","coordinates":[139.69171234567,35.6895]}}"#
        var batch = TestLines.batch([
            TestLines.tweet(first, text: #"☕東京😀 é \\ ' \" “—€"#, extra: extra), TestLines.tweet(first + 1, text: "bad"),
            TestLines.tweet(first + 2), "no json \u{0}",
            #"{"pipeline_event":{"type":"disconnected","at":"2026-01-02T03:04:05.678Z","cause":"reset","detail":"d"}}"#,
            #"{"pipeline_event":{"type":"rules","at":"2026-01-02T03:04:05.678Z","rules":[{"id":"1","value":"cat \"x\"","tag":null}]}}"#,
        ])
        try loader.settle(batch)
        batch = TestLines.batch([nil], firstOffset: 6)
        try loader.settle(batch)
        // Longer than the time-outs of role and database.
        try loader.session.attempt { try $0.execute("BEGIN; SELECT pg_sleep(1.2); COMMIT") }
        return try shown(database)
    }

    /// What `explain` shows of the first two tweets, and every table as the superuser reads it.
    private func shown(_ database: TestDatabase) throws -> [String] {
        let first = TestLines.firstID
        let connection = try database.connect()
        var found = [try TweetTrace(first, connection).text, try TweetTrace(first + 1, connection).text]
        found = found.map { text in
            text.split(separator: "\n").filter { !$0.contains("committed") && !$0.contains("rejected") }.joined(
                separator: "\n")
        }
        for table in [
            "tweets", "tweet_rules", "rejects", "stream_events", "stream_gaps", "rules", "rule_lists",
            "stream_ledger_pending",
        ] {
            found.append(
                try database.superuser(
                    """
                    SET client_encoding = UTF8; SET TimeZone = UTC; SET DateStyle = ISO; SET extra_float_digits = 1; SET bytea_output = hex;
                    SET statement_timeout = 0;
                    SELECT to_jsonb(t) - 'inserted_at' - 'rejected_at' - 'settled_at' - 'folded_at'
                        - (CASE WHEN to_jsonb(t) ->> 'reason' = 'database' THEN 'detail' ELSE '' END) FROM \(table) t
                    ORDER BY t::text COLLATE "C"
                    """))
        }
        return found
    }

    @Test("a role and a database with hostile settings load and read the same as plain ones")
    func sameResults() throws {
        let (plain, hostile) = (try TestDatabase(), try hostileDatabase())
        let (calm, log) = (LogRecorder(), LogRecorder())
        let expected = try load(plain, calm)
        let found = try load(hostile, log)
        #expect(expected.count == found.count)
        for (expected, found) in zip(expected, found) { #expect(found == expected) }
        #expect(found.contains { $0.contains("☕東京😀") })
        #expect(
            log.count(containing: "synchronous_commit") == 1
                && log.count(containing: "ALTER ROLE ... IN DATABASE ... SET") == 1, "\(log.texts)")
        #expect(calm.count(containing: "synchronous_commit") == 0)
    }

    @Test("every session has the values that statements are written for")
    func values() throws {
        let (plain, hostile) = (try TestDatabase(), try hostileDatabase())
        let left = Set([
            "jit", "plan_cache_mode", "enable_partition_pruning", "work_mem", "synchronous_commit",
            "client_min_messages", "lock_timeout",
            "constraint_exclusion",
        ])
        let names = Self.hostile.map(\.0).filter { !left.contains($0) }
        let sql =
            "SELECT name, setting FROM pg_settings WHERE lower(name) = ANY (SELECT lower(n) FROM unnest($1::text[]) n) ORDER BY 1"
        let values = try hostile.query(sql, [arrayLiteral(names)])
        #expect(values.count == names.count)
        #expect(try plain.query(sql, [arrayLiteral(names)]) == values)
        try onDatabase(PostgresConninfo(hostile.url), role: .any) { connection in
            let zone = try connection.setting("TimeZone")
            #expect(zone?.value == "UTC")
        }
    }

    @Test("a setting that would change what is stored, and that only a superuser can undo, ends with 78 and its source")
    func replicaRole() throws {
        let database = try TestDatabase()
        _ = try database.superuser("ALTER DATABASE \(database.name) SET session_replication_role = replica")
        let failure = #expect(throws: DatabaseError.self) { _ = try Loader.claiming(database.url) }
        #expect(failure?.disposition == .operator(.settings))
        let text = failure?.description ?? ""
        #expect(text.contains("session_replication_role is replica, set by ALTER DATABASE ... SET"), "\(text)")
        #expect(throws: DatabaseError.self) { _ = try migrate(PostgresConninfo(database.url)) }
        try onDatabase(PostgresConninfo(database.url), role: .any) { _ in }
    }
}
