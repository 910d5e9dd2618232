import Core
import Foundation
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

@Suite("migrate: the payload column, and databases that do not fit", .ownThreads, .timeLimit(.minutes(4)))
struct MigrateTests {
    private static let filesSQL =
        "SELECT relid::regclass, relfilenode FROM pg_partition_tree('tweets') "
        + "JOIN pg_class ON oid = relid ORDER BY 1"

    /// A database whose payload column is json, with a few tweets.
    private func jsonDatabase(rows: Int = 50) throws -> TestDatabase {
        let database = try TestDatabase(migrated: false)
        _ = try migrate(PostgresConninfo(database.url), payload: .json)
        let partition = TweetPartition(containing: TestLines.firstID)
        try database.query(
            """
            CREATE TABLE \(partition.name) PARTITION OF tweets
            FOR VALUES FROM (\(partition.lowerID ?? 0)) TO (\(partition.upperID ?? 0))
            """)
        try database.query(
            """
            INSERT INTO tweets (id, text, stream, payload, text_altered, matched, kafka_topic,
                kafka_partition, kafka_offset)
            SELECT \(TestLines.firstID) + n, 'x', 's', '{"b":  1, "a": 2}', false, true, 't', 0, n
            FROM generate_series(1, \(rows)) n
            """)
        return database
    }

    @Test("without --payload the column of the raw line stays as it is, to the last file")
    func leavesThePayloadAlone() throws {
        let database = try jsonDatabase()
        let files = try database.query(Self.filesSQL)
        let report = try migrate(PostgresConninfo(database.url)) { _ in
            Issue.record("nothing is to be confirmed")
            return true
        }
        #expect(report.hasSuffix("nothing to do: the schema has version \(Migration.supported.upperBound)"))
        #expect(try database.query(Self.filesSQL) == files)
        #expect(try database.query("SELECT min(payload::text) FROM tweets") == [[#"{"b":  1, "a": 2}"#]])
    }

    @Test("a change of the column names size, duration and what is lost, and is made only when it is confirmed")
    func asks() throws {
        let database = try jsonDatabase()
        let conninfo = try PostgresConninfo(database.url)
        let files = try database.query(Self.filesSQL)
        var question = ""
        let declined = try migrate(conninfo, payload: .jsonb) {
            question = $0
            return false
        }
        #expect(declined == "nothing was changed")
        for part in [
            "database \(database.name)", "tweets.payload is json and would become jsonb", " kB",
            "50 rows that were converted on trial", "the exact bytes of the lines are lost",
        ] { #expect(question.contains(part), "\(part) in \(question)") }
        #expect(question.contains(/takes about \d+ s \(estimated/), "\(question)")
        #expect(try database.query(Self.filesSQL) == files)
        let report = try migrate(conninfo, payload: .jsonb)
        #expect(report.contains("tweets.payload is jsonb now, after "))
        #expect(try database.query(PayloadMode.columnTypeSQL) == [["jsonb"]])
        // Back again nothing more is lost.
        _ = try migrate(conninfo, payload: .json) {
            question = $0
            return false
        }
        #expect(!question.contains("exact bytes"))
        let changed = try database.query(Self.filesSQL)
        #expect(try migrate(conninfo, payload: .jsonb).contains("nothing to do"))
        #expect(try migrate(conninfo, payload: .drop).contains("nothing to do"))
        #expect(try database.query(Self.filesSQL) == changed)
    }

    @Test("--dry-run shows every step and changes nothing")
    func dryRun() throws {
        let empty = try TestDatabase(migrated: false)
        let version = Migration.supported.upperBound
        let created = try migrate(PostgresConninfo(empty.url), payload: .json, isDryRun: true)
        #expect(created.hasSuffix("would create the schema, version \(version), with tweets.payload as json"))
        #expect(try empty.query("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [["0"]])
        let fixture = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/schema-1.sql")
        try empty.connect().execute(String(contentsOf: fixture, encoding: .utf8))
        let steps = try migrate(PostgresConninfo(empty.url), isDryRun: true)
        #expect(steps.contains("would run sql/migrations/0002.sql\nwould run sql/migrations/0003.sql"), "\(steps)")
        #expect(try empty.query("SELECT version FROM schema_version") == [["1"]])
        let database = try jsonDatabase()
        let files = try database.query(Self.filesSQL)
        let change = try migrate(PostgresConninfo(database.url), payload: .jsonb, isDryRun: true)
        #expect(change.contains("would become jsonb") && change.contains("exact bytes"))
        #expect(try database.query(Self.filesSQL) == files)
    }

    @Test("without a terminal --yes is needed, and no credentials are shown")
    func command() throws {
        let database = try jsonDatabase()
        let url = database.url.replacing("tweets@", with: "tweets:geheim@")
        func run(_ arguments: [String]) throws -> (ChildProcess.Exit, String) {
            let settings = ["DATABASE_URL": url]
            return try ChildProcess.run(ChildCommand(service: .loader, ["migrate"] + arguments, settings: settings))
        }
        let refused = try run(["--payload", "jsonb"])
        #expect(refused.0 == .status(64))
        #expect(refused.1.contains("No terminal to confirm on; pass --yes"))
        #expect(refused.1.contains("database \(database.name)"))
        #expect(try database.query(PayloadMode.columnTypeSQL) == [["json"]])
        #expect(try run([]).0 == .status(0))
        #expect(try database.query(PayloadMode.columnTypeSQL) == [["json"]])
        let dry = try run(["--payload", "jsonb", "--dry-run"])
        #expect(dry.0 == .status(0) && dry.1.contains("would become jsonb"))
        #expect(try database.query(PayloadMode.columnTypeSQL) == [["json"]])
        let done = try run(["--payload", "jsonb", "--yes"])
        #expect(done.0 == .status(0) && done.1.contains("tweets.payload is jsonb now"), "\(done.1)")
        for output in [refused.1, dry.1, done.1] { #expect(!output.contains("geheim")) }
    }

    @Test(
        "a database in another encoding ends with 78 and the command that makes a right one",
        arguments: [
            "LATIN1", "SQL_ASCII", "EUC_JP",
        ])
    func encodings(encoding: String) throws {
        let database = try TestDatabase(encoding: encoding)
        func expectRefusal(_ body: () throws -> Void) {
            let failure = #expect(throws: DatabaseError.self) { try body() }
            #expect(failure?.disposition == .operator(.settings))
            #expect(failure?.description.contains("has the encoding \(encoding)") == true)
            let command = "createdb -E UTF8 -T template0 -O tweets \(database.name)_utf8"
            #expect(failure?.description.contains(command) == true, "\(String(describing: failure))")
        }
        expectRefusal { _ = try migrate(PostgresConninfo(database.url)) }
        expectRefusal { _ = try migrate(PostgresConninfo(database.url), isDryRun: true) }
        #expect(try database.query("SELECT to_regclass('tweets')") == [[nil]])
        // A schema that an older version has created there.
        _ = try Migration.apply(to: database.connect())
        expectRefusal { _ = try Loader.claiming(database.url) }
        expectRefusal { try onDatabase(PostgresConninfo(database.url), role: .writer) { _ in } }
        try onDatabase(PostgresConninfo(database.url), role: .any) { _ in }
    }

    @Test("a role that may not create tables gets the statement that lets it")
    func missingRight() throws {
        let database = try TestDatabase(owner: "postgres")
        _ = try database.superuser(
            "GRANT ALL ON DATABASE \(database.name) TO tweets; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        let failure = #expect(throws: DatabaseError.self) { _ = try migrate(PostgresConninfo(database.url)) }
        #expect(failure?.disposition == .operator(.credentials))
        let text = failure?.description ?? ""
        #expect(text.contains("ALTER DATABASE \(database.name) OWNER TO tweets"), "\(text)")
        #expect(text.contains("GRANT CREATE ON SCHEMA public TO tweets") && !text.contains("password"))
        _ = try database.superuser("GRANT CREATE ON SCHEMA public TO tweets")
        _ = try migrate(PostgresConninfo(database.url))
    }

    @Test("a search path that leads nowhere is named with who set it")
    func searchPath() throws {
        let database = try TestDatabase(migrated: false)
        _ = try database.superuser("ALTER ROLE tweets IN DATABASE \(database.name) SET search_path = nowhere")
        let created = #expect(throws: DatabaseError.self) { _ = try migrate(PostgresConninfo(database.url)) }
        let loaded = #expect(throws: DatabaseError.self) { _ = try Loader.claiming(database.url) }
        for failure in [created, loaded] {
            #expect(failure?.disposition == .operator(.settings))
            let text = failure?.description ?? ""
            #expect(text.contains("search_path is nowhere, set by ALTER ROLE ... IN DATABASE ... SET"), "\(text)")
        }
    }
}
