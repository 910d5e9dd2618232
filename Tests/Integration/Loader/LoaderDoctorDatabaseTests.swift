import Core
import Glibc
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// What `tweet-loader doctor` finds in the ledger, in locks and in the growth of the database.
@Suite("Loader: doctor finds in PostgreSQL", .ownThreads, .timeLimit(.minutes(4)))
struct LoaderDoctorDatabaseTests {
    private func named(_ findings: [DoctorFinding]) -> [String: DoctorFinding] {
        Dictionary(findings.map { ($0.name, $0) }) { first, _ in first }
    }

    @Test("open gaps, lines that nobody settles, and a loader that its group does not accept")
    func ledger() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let healthy = try LedgerDoctor.findings(connection)
        #expect(healthy.map(\.status) == [.ok, .ok, .ok], "\(healthy)")
        try database.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, cause)
            VALUES ('main', 'j', 1, now() - interval '1 hour', now(), 'stall')
            """)
        try database.query("INSERT INTO loaders (owner, problem) VALUES ('h/1/x', 'FENCED_INSTANCE_ID: twice')")
        let name = JournalName(stream: "main", journal: "0a1b2c3d")
        try StreamLedger.append([name: RangeSet(numbers: [1, 2, 5] as [Int64])], connection)
        let young = named(try LedgerDoctor.findings(connection))
        #expect(young["ledger"] == .ok("ledger", "2 lines not settled yet"), "\(young)")
        #expect(young["gaps"]?.status == .warn && young["gaps"]?.detail.hasSuffix("open: 1 of stream main") == true)
        #expect(young["loaders"]?.detail == "h/1/x: FENCED_INSTANCE_ID: twice")
        #expect(young["loaders"]?.remedy == GroupMembership.nameRemedy)
        try database.query("UPDATE loaders SET seen_at = now() - interval '2 minutes'")
        #expect(named(try LedgerDoctor.findings(connection))["loaders"] == .ok("loaders", "none runs"))
        try database.query("UPDATE loaders SET seen_at = now(), ended_at = now()")
        #expect(named(try LedgerDoctor.findings(connection))["loaders"] == .ok("loaders", "none runs"))
        try database.query("UPDATE stream_ledger_pending SET settled_at = now() - interval '3 hours'")
        let old = named(try LedgerDoctor.findings(connection))["ledger"]
        #expect(old?.status == .warn && old?.remedy?.contains("tweet-loader verify") == true, "\(old as Any)")
        #expect(old?.detail.hasSuffix("2 of stream main, journal 0a1b2c3d, for which nothing came for 3 h") == true)
        try database.query("INSERT INTO dismissed (kind, name, reason) VALUES ('journal', '0a1b2c3d', 'lost')")
        let dismissed = named(try LedgerDoctor.findings(connection))["ledger"]
        #expect(dismissed == .ok("ledger", "every line is settled"), "\(dismissed as Any)")
    }

    @Test("who waits for a lock, and for whom")
    func locks() throws {
        let database = try TestDatabase()
        let holder = try database.connect()
        try holder.execute("BEGIN; LOCK TABLE rejects")
        let waiter = Background { try database.query("SELECT count(*) FROM rejects") }
        let isWaiting = try eventually {
            try database.query(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'rejects'::regclass") == [["1"]]
        }
        try #require(isWaiting)
        let holderID = try holder.query("SELECT pg_backend_pid()", doing: "test").text(0, 0) ?? ""
        let all = named(try DatabaseDoctor(database.connect(), longest: .zero).findings())
        let found = all["locks"]
        #expect(found?.status == .warn && all["content"]?.status == .warn, "\(all)")
        #expect(found?.detail.contains("waits for pid \(holderID) since ") == true, "\(found as Any)")
        #expect(found?.detail.hasSuffix(" s (rejects)") == true, "\(found as Any)")
        let patient = named(try DatabaseDoctor(database.connect()).findings())["locks"]
        #expect(patient == .ok("locks", "nobody waits for one for more than \(Duration.seconds(60).short)"))
        try holder.execute("COMMIT")
        try waiter.join()
    }

    @Test("autovacuum that is off for a table, in every spelling", arguments: ["false", "off", "no", "0", "f"])
    func autovacuum(spelling: String) throws {
        let database = try TestDatabase()
        try database.query("ALTER TABLE users SET (autovacuum_enabled = '\(spelling)')")
        let found = named(try DatabaseDoctor(database.connect()).findings())["autovacuum"]
        #expect(found?.detail == "it is off for users" && found?.remedy?.hasPrefix("ALTER TABLE ... RESET") == true)
    }

    private func insertPosts(_ database: TestDatabase) throws {
        try database.query(
            """
            INSERT INTO hour_counts (hour, stream, rule_id, posts)
            SELECT date_trunc('hour', now()) - n * interval '1 day', 'main', 0, 100 FROM generate_series(1, 70) n
            """)
    }

    @Test("a database grows by the share of its posts that the last seven days have")
    func growth() throws {
        let database = try TestDatabase()
        let empty = try DatabaseSize(database.connect())
        #expect(empty.finding.detail.contains("no post was counted yet; its disk cannot be seen"), "\(empty)")
        try insertPosts(database)
        let size = try DatabaseSize(database.connect())
        // The role may not see where the server has its data.
        #expect(size.posts == 7000 && (600...700).contains(size.recentPosts) && size.days == 7 && size.free == nil)
        #expect(size.finding.status == .ok && size.finding.detail.contains("it grows by about"), "\(size.finding)")
        let enough = DatabaseSize(bytes: 70_000_000_000, posts: 70, recentPosts: 7, free: 15_000_000_000)
        let text = "70 GB; it grows by about 7.0 GB in 7 days; 15 GB are free, enough for 15 days"
        #expect(enough.finding.detail == text)
        #expect(enough.finding.status == .ok)
        let short = DatabaseSize(bytes: 70_000_000_000, posts: 70, recentPosts: 7, free: 13_000_000_000).finding
        #expect(short.status == .warn && short.remedy?.contains("tweet-loader retention") == true, "\(short)")
        // A database that began yesterday has grown in a day.
        #expect(DatabaseSize(bytes: 7000, posts: 7, recentPosts: 7, days: 1, free: nil).bytesPerDay == 7000)
    }

    /// The disk is a tablespace, whose folder every role may see.
    @Test("a disk that is full in less than 14 days", .enabled(if: geteuid() == 0, "mounting a file system needs root"))
    func smallDisk() throws {
        let database = try TestDatabase()
        let disk = try SmallDisk(mebibytes: 16, user: "postgres")
        try insertPosts(database)
        let space = "space_of_\(database.name)"
        _ = try database.superuser("CREATE TABLESPACE \(space) LOCATION '\(disk.path)'")
        _ = try database.superuser("ALTER DATABASE \(database.name) SET default_tablespace = \(space)")
        let wide = try DatabaseSize(database.connect())
        #expect((15_000_000...16 << 20).contains(wide.free ?? 0), "\(wide)")
        #expect(wide.finding.status == .ok && wide.finding.detail.contains("enough for"), "\(wide.finding)")
        disk.fill()
        let found = named(try DatabaseDoctor(database.connect()).findings())["size"]
        #expect(found?.status == .warn && found?.detail.hasSuffix("enough for only 0 days") == true, "\(found as Any)")
        disk.empty()
        _ = try database.superuser("ALTER DATABASE \(database.name) RESET default_tablespace")
        _ = try database.superuser("DROP TABLESPACE \(space)")
    }

    @Test("a role that may read all settings sees the disk of the server's data")
    func dataFolder() throws {
        let server = try PostgresSandbox()
        defer { server.destroy() }
        _ = try Migration.apply(to: PostgresConnection.connect(PostgresConninfo(server.url())))
        func size(_ url: String? = nil) throws -> DatabaseSize {
            try DatabaseSize(PostgresConnection.connect(PostgresConninfo(url ?? server.url())))
        }
        #expect(try size().free == nil)
        try server.query("GRANT pg_read_all_settings TO tweets", database: "postgres")
        #expect(try size().free ?? 0 > 0)
        // A folder of a different host may have the same name here.
        let elsewhere = "host=db.example hostaddr=127.0.0.1 port=\(server.port) user=tweets dbname=tweets"
        #expect(try size(elsewhere).free == nil)
    }
}
