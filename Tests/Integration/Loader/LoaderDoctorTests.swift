import Core
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// What `tweet-loader doctor` finds.
@Suite("Loader: doctor", .ownThreads, .timeLimit(.minutes(4)))
struct LoaderDoctorTests {
    private func doctor(_ url: String, _ servers: String = "127.0.0.1:1") throws -> LoaderDoctor {
        LoaderDoctor(
            settings: LoaderSettings(
                conninfo: try PostgresConninfo(url), kafka: KafkaConfiguration(bootstrapServers: servers),
                topic: "tweets"))
    }

    private func findings(_ database: TestDatabase) throws -> [String: DoctorFinding] {
        Dictionary(try doctor(database.url).postgres().map { ($0.name, $0) }) { first, _ in first }
    }

    @Test("a healthy set-up finds nothing")
    func healthy() throws {
        let database = try TestDatabase()
        let kafka = try KafkaSandbox(topics: ["tweets": 3, "tweets.events": 1])
        let doctor = try doctor(database.url, kafka.bootstrapServers)
        let all = doctor.remote()
        #expect(all.count >= 20 && all.allSatisfy { $0.status == .ok || $0.name == "durability" }, "\(all)")
        #expect(all.first { $0.name == "topic tweets.events" }?.detail == "1 partitions")
        #expect(all.last?.detail == "nothing was loaded yet")
        let local = Set(doctor.local.map(\.name))
        #expect(local.isSuperset(of: ["pgpass", "librdkafka", "memory", "malloc", "open files"]), "\(local)")
    }

    @Test("a database without the schema, and one that is read-only or has time-outs by role")
    func settings() throws {
        #expect(try findings(TestDatabase(migrated: false))["schema"]?.status == .fail)
        let database = try TestDatabase()
        try database.query("ALTER DATABASE \(database.name) SET statement_timeout = '5s'")
        #expect(try findings(database)["timeouts"]?.detail == "set for the role or the database: statement_timeout=5s")
        try database.query("ALTER DATABASE \(database.name) SET default_transaction_read_only = on")
        #expect(try findings(database)["writer"]?.detail.contains("default_transaction_read_only") == true)
        #expect(try findings(database)["writer"]?.status == .fail)
    }

    @Test("what cannot be reached has the status of what is missing")
    func outages() throws {
        let away = try doctor("postgresql://tweets@127.0.0.1:1/tweets").postgres()
        #expect(
            away.map(\.status) == [.fail] && DoctorReport(service: "s", findings: away).failure?.disposition == .wait)
        let kafka = try doctor("postgresql://tweets@127.0.0.1:1/tweets").kafka()
        #expect(kafka.first?.status == .fail)
        let empty = try KafkaSandbox(topics: ["other": 1])
        let topics = try doctor("postgresql://tweets@127.0.0.1:1/tweets", empty.bootstrapServers).kafka()
        #expect(topics.filter { $0.name.hasPrefix("topic ") }.map(\.status) == [.fail, .fail], "\(topics)")
    }

    @Test("the next heartbeat proves the whole way, and one that is there already does not")
    func probe() throws {
        let database = try TestDatabase()
        let beat = """
            INSERT INTO stream_state (stream, journal, seq, alive_at, settled_at)
            VALUES ('main', 'j', 1, now() - interval '2 s', now())
            ON CONFLICT (stream, journal) DO UPDATE SET alive_at = excluded.alive_at, settled_at = excluded.settled_at
            """
        try database.query(beat)
        let doctor = try doctor(database.url)
        let silent = doctor.probe(patience: .milliseconds(600))
        #expect(silent.status == .fail && silent.detail.contains("no heartbeat has come within 600ms"), "\(silent)")
        let ended = Stop()
        let producer = Background {
            repeat { try database.query(beat) } while !ended.wait(for: .milliseconds(100))
        }
        let found = doctor.probe(patience: .seconds(60))
        ended.raise(drain: .zero)
        try producer.join()
        #expect(found == .ok("probe", "a heartbeat of stream main was in PostgreSQL after 2.0 s"), "\(found)")
    }
}
