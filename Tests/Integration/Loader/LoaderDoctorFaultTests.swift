import Core
import Digests
import Foundation
import Glibc
import Harness
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// Each fault that `tweet-loader doctor` finds in a pooler, a database and what Kafka keeps.
@Suite("Loader: doctor finds", .ownThreads, .timeLimit(.minutes(4)))
struct LoaderDoctorFaultTests {
    private func doctor(_ url: String, _ servers: String = "127.0.0.1:1") throws -> LoaderDoctor {
        LoaderDoctor(
            settings: LoaderSettings(
                conninfo: try PostgresConninfo(url), kafka: KafkaConfiguration(bootstrapServers: servers),
                topic: "tweets"))
    }

    private func named(_ findings: [DoctorFinding]) -> [String: DoctorFinding] {
        Dictionary(findings.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Debian's PgBouncer before a database, as an operator sets it up; it ends with `body`.
    private func withPgBouncer(_ mode: String, _ database: TestDatabase, _ body: (String) throws -> Void) throws {
        let folder = try TemporaryFolder()
        let port = try freePort()
        try folder.write(
            """
            [databases]
            \(database.name) = host=127.0.0.1 port=\(TestDatabase.port) user=tweets
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            unix_socket_dir =
            auth_type = any
            pool_mode = \(mode)
            """, to: "pgbouncer.ini")
        // It does not run as root.
        let user = getuid() == 0 ? ["-u", "nobody"] : []
        var command = ChildCommand("/usr/sbin/pgbouncer", user + [folder.path + "/pgbouncer.ini"])
        command.output = .file(folder.path + "/log")
        let process = try ChildProcess(command)
        defer { process.kill() }
        let url = "postgresql://tweets@127.0.0.1:\(port)/\(database.name)"
        let isThere = eventually { (try? PostgresConnection.connect(PostgresConninfo(url), role: .any)) != nil }
        try #require(isThere, "\((try? readTextFile(folder.path + "/log")) ?? "")")
        try body(url)
    }

    @Test("PgBouncer in transaction mode, and not in session mode")
    func pooler() throws {
        let database = try TestDatabase()
        try withPgBouncer("transaction", database) { url in
            let found = named(try doctor(url).postgres())["pooling"]
            #expect(found?.status == .fail && found?.remedy == "use session pooling, or no pooler", "\(found as Any)")
        }
        try withPgBouncer("session", database) { url in
            let found = named(try doctor(url).postgres())
            #expect(found["pooling"]?.status == .ok, "\(found)")
        }
    }

    @Test("a certificate of PostgreSQL that ends soon, and a server that nobody verifies")
    func encryption() throws {
        let authority = try CertificateAuthority()
        let server = try PostgresSandbox()
        try server.serveTLS(authority.files(.valid))
        let url = server.url(database: "postgres").replacing("127.0.0.1", with: "localhost")
        let mark = url.contains("?") ? "&" : "?"
        let weak = named(try doctor(url + mark + "sslmode=require").postgres())
        #expect(weak["tls"]?.status == .warn && weak["tls"]?.detail.contains("sslmode=require") == true, "\(weak)")
        let full = "sslmode=verify-full&sslrootcert=\(authority.caFile)"
        let strong = named(try doctor(url + mark + full).postgres())
        #expect(strong["tls"]?.status == .ok, "\(strong)")
        #expect(strong["certificate"]?.detail.contains("ends in 1 days") == true, "\(strong)")
        // What is not encrypted on the way to another host is a matter of its own.
        let plain = ServerDoctor.postgres(
            host: "db.example", port: 5432, version: nil, mode: "prefer", clientCertificate: nil, now: .now())
        #expect(plain.map(\.status) == [.warn])
    }

    @Test("transactions that stay open, tables without autovacuum, and a slow compression")
    func upkeep() throws {
        let database = try TestDatabase()
        let open = try database.connect()
        try open.execute("BEGIN; SELECT 1")
        try database.query("ALTER TABLE rejects SET (autovacuum_enabled = false)")
        try database.query("ALTER TABLE tweets ALTER COLUMN payload SET COMPRESSION pglz")
        let found = named(try DatabaseDoctor(database.connect(), longest: .zero).findings())
        #expect(found["transactions"]?.detail.contains("(tweet-loader) for 0 min") == true, "\(found)")
        #expect(found["autovacuum"]?.detail == "it is off for rejects")
        #expect(found["compression"]?.status == .warn)
        try open.execute("COMMIT")
        let closed = named(try DatabaseDoctor(database.connect()).findings())
        #expect(closed["transactions"]?.status == .ok, "\(closed)")
        #expect(closed["transactions"]?.detail.hasPrefix("none of this role (others need GRANT") == true, "\(closed)")
    }

    @Test("open holes, new rejects, and a role that cannot create partitions")
    func content() throws {
        let database = try TestDatabase()
        try database.query("INSERT INTO kafka_holes (topic, partition, first_offset) VALUES ('tweets', 3, 7)")
        try database.query(
            """
            INSERT INTO rejects (reason, kafka_topic, kafka_partition, kafka_offset)
            SELECT 'not_json', 'tweets', 0, n FROM generate_series(1, 3) n
            """)
        let found = named(try DatabaseDoctor(database.connect()).findings())
        #expect(found["holes"]?.detail.hasSuffix(": tweets-3") == true, "\(found)")
        #expect(found["rejects"]?.detail == "in the last day: 3 not_json")
        #expect(found["partitions"]?.status == .ok)
        _ = try database.superuser("ALTER TABLE tweets OWNER TO CURRENT_USER; GRANT ALL ON tweets TO tweets")
        let other = named(try DatabaseDoctor(database.connect()).findings())
        #expect(other["partitions"]?.status == .fail, "\(other)")
    }

    @Test("what Kafka no longer has, and what it deletes before it is loaded")
    func backlog() throws {
        let database = try TestDatabase()
        let kafka = try KafkaSandbox(topics: ["tweets": 1, "tweets.events": 1])
        func backlog() throws -> DoctorFinding? {
            named(try doctor(database.url, kafka.bootstrapServers).kafka())["backlog"]
        }
        try database.query(
            "INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner) VALUES ('tweets', 0, 0, 1, 'o')")
        #expect(try backlog() == .ok("backlog", "everything is loaded"))
        try database.query("UPDATE loader_offsets SET next_offset = 700")
        let gone = try backlog()
        #expect(gone?.status == .fail && gone?.detail.hasSuffix(": tweets-0") == true, "\(gone as Any)")
        let now = Timestamp.now()
        let old: [TopicPartition: BacklogDoctor.Next] = [
            TopicPartition("tweets", 0): .message(now.advanced(by: .seconds(-4000))), TopicPartition("tweets", 1): .end,
        ]
        let short = BacklogDoctor.judge(old, keeping: ["tweets": .seconds(7200)], now: now)
        #expect(short.map(\.status) == [.warn], "\(short)")
        for retention in [["tweets": Duration.seconds(604_800)], ["tweets": nil], [:]] {
            #expect(BacklogDoctor.judge(old, keeping: retention, now: now).map(\.status) == [.ok])
        }
    }

    @Test("a topic that Kafka denies")
    func denied() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 1, "tweets.events": 1])
        let front = try KafkaFront(kafka.bootstrapServers)
        front.deniedTopics = ["tweets"]
        let found = try doctor("postgresql://tweets@127.0.0.1:1/tweets", front.servers).kafka()
        let topic = named(found)["topic tweets"]
        #expect(topic?.status == .fail && topic?.remedy?.contains("Describe and Read") == true, "\(found)")
        #expect(named(found)["topic tweets.events"]?.status == .ok, "\(found)")
    }
}
