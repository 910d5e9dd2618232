import PipelineKit
import Testing

@testable import TweetLoader

@Suite("Migration", .timeLimit(.minutes(2)))
struct MigrationTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase(migrated: false)
    }

    @Test("the first run creates, the second changes nothing; a plain owner can do it")
    func twice() throws {
        let conninfo = try PostgresConninfo(database.url)
        #expect(try migrate(conninfo, payload: .jsonb) == "created the schema, version 1")
        #expect(try migrate(conninfo, payload: .jsonb) == "nothing to do: the schema has version 1")
        try Migration.check(database.connect())
        #expect(try database.query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [["f"]])
    }

    @Test("two runs at once do it once")
    func atOnce() throws {
        let url = database.url
        let runs = (0..<4).map { _ in Background { _ = try migrate(PostgresConninfo(url), payload: .jsonb) } }
        for run in runs { try run.join() }
        #expect(try database.query("SELECT version FROM schema_version") == [["1"]])
    }

    @Test(
        "a schema outside the range is refused, with what to do",
        arguments: [(99, "newer tweet-loader"), (0, "migrate")])
    func outside(version: Int, remedy: String) throws {
        _ = try migrate(PostgresConninfo(database.url), payload: .jsonb)
        try database.query("UPDATE schema_version SET version = \(version)")
        let failure = #expect(throws: Failure.self) { try Migration.check(database.connect()) }
        #expect(failure?.status == .badSettings)
        #expect(failure?.description.contains(remedy) == true)
        #expect(throws: Failure.self) { _ = try migrate(PostgresConninfo(database.url), payload: .jsonb) }
        #expect(throws: Failure.self) { _ = try Loader.claiming(database.url) }
    }

    @Test("a database without the schema is refused, with what to do")
    func missing() throws {
        let failure = #expect(throws: Failure.self) { try Migration.check(database.connect()) }
        #expect(failure?.description.contains("tweet-loader migrate") == true)
    }

    @Test("tables of somebody else are left alone")
    func foreign() throws {
        try database.query("CREATE TABLE rejects (mine text)")
        let failure = #expect(throws: Failure.self) { _ = try migrate(PostgresConninfo(database.url), payload: .jsonb) }
        #expect(failure?.status == .badSettings)
        #expect(failure?.description.contains("rejects") == true)
        #expect(try database.query("SELECT to_regclass('tweets')") == [[nil]])
    }

    @Test("the payload column changes its type, and a loader that needs another one says so")
    func payload() throws {
        let conninfo = try PostgresConninfo(database.url)
        _ = try migrate(conninfo, payload: .json)
        #expect(try database.query(PayloadMode.columnTypeSQL) == [["json"]])
        let failure = #expect(throws: Failure.self) { _ = try Loader.claiming(database.url) }
        #expect(failure?.description.contains("--payload json") == true)
        #expect(try migrate(conninfo, payload: .jsonb).hasSuffix("tweets.payload is jsonb now"))
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
}
