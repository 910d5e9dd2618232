import Core
import Postgres
import Sandbox
import Synchronization
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: PostgreSQL away", .ownThreads, .timeLimit(.minutes(5)))
struct OutageTests {
    /// How many tweets there are; nil while the server is away.
    private func count(_ url: String) -> Int? {
        guard let connection = try? PostgresConnection.connect(PostgresConninfo(url)),
            let answer = try? connection.query("SELECT count(*) FROM tweets", doing: "count").rows
        else { return nil }
        return Int(answer[0][0] ?? "")
    }

    @Test("a server that crashes and comes back in the middle loses and doubles nothing")
    func crash() throws {
        let server = try PostgresSandbox()
        defer { server.destroy() }
        let (url, log) = (server.url(), LogRecorder())
        _ = try migrate(PostgresConninfo(url), payload: .jsonb)
        let isOver = Stop()
        let settled = Mutex(0)
        let loading = Background {
            let loader = try Loader.claiming(url, log: log)
            while !isOver.isRaised {
                let number = Int64(settled.withLock { $0 })
                let lines = TestLines.tweets(200, from: TestLines.firstID + number)
                try loader.settle(TestLines.batch(lines, firstOffset: number))
                settled.withLock { $0 += 200 }
            }
        }
        for round in 1...2 {
            #expect(eventually { (count(server.url()) ?? 0) >= round * 2000 })
            server.stop(.immediate)
            #expect(eventually { log.count(containing: "PostgreSQL is unreachable; retrying") >= round })
            try server.start()
            #expect(eventually { log.count(containing: "PostgreSQL accepts rows again; loading continues") >= round })
        }
        isOver.raise()
        try loading.join()
        let total = settled.withLock { $0 }
        #expect(try server.query("SELECT count(*), count(DISTINCT id) FROM tweets") == "\(total)|\(total)")
        #expect(try server.query("SELECT next_offset FROM loader_offsets") == "\(total)")
        #expect(try server.query("SELECT count(*) FROM rejects") == "0")
        #expect(log.count(containing: "PostgreSQL is unreachable; retrying") == 2)
        #expect(log.count(containing: "PostgreSQL accepts rows again; loading continues") == 2)
    }

    @Test("sessions that are terminated again and again only cost time")
    func terminated() throws {
        let database = try TestDatabase()
        let url = database.url
        let loading = Background {
            let loader = try Loader.claiming(url)
            for number in 0..<40 {
                let first = TestLines.firstID + Int64(number) * 100
                try loader.settle(TestLines.batch(TestLines.tweets(100, from: first), firstOffset: Int64(number) * 100))
            }
        }
        for round in 1...4 {
            #expect(
                try eventually {
                    try Int(database.query("SELECT count(*) FROM tweets")[0][0] ?? "") ?? 0 >= round * 800
                })
            _ = try database.superuser(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(database.name)' AND usename = 'tweets'"
            )
        }
        try loading.join()
        #expect(try database.query("SELECT count(*) FROM tweets") == [["4000"]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }

    @Test("the stop ends the wait for a server that is away, and the batch stays with Kafka")
    func stop() throws {
        let server = try PostgresSandbox()
        defer { server.destroy() }
        let (url, log, stop) = (server.url(), LogRecorder(), Stop())
        _ = try migrate(PostgresConninfo(url), payload: .jsonb)
        let loading = Background {
            let loader = try Loader.claiming(url, stop: stop, log: log)
            server.stop(.immediate)
            try loader.settle(TestLines.batch(TestLines.tweets(10)))
        }
        #expect(log.wait(for: "PostgreSQL is unreachable; retrying"))
        stop.raise()
        // Without the stop it would wait for ever.
        #expect(throws: (any Error).self) { try loading.join() }
        try server.start()
        #expect(try server.query("SELECT count(*) FROM tweets") == "0")
    }

    @Test("a server that is away at the start is waited for")
    func awayAtStart() throws {
        let server = try PostgresSandbox()
        defer { server.destroy() }
        let (url, log) = (server.url(), LogRecorder())
        _ = try migrate(PostgresConninfo(url), payload: .jsonb)
        server.stop()
        let loading = Background { try Loader.claiming(url, log: log).settle(TestLines.batch(TestLines.tweets(10))) }
        #expect(log.wait(for: "PostgreSQL is unreachable; retrying"))
        try server.start()
        try loading.join()
        #expect(try server.query("SELECT count(*) FROM tweets") == "10")
    }

    @Test(
        "a refusal at the start ends with its disposition and a remedy",
        arguments: [
            ("nowhere", "tweets", Disposition.operator(.settings), "createdb"),
            ("empty", "tweets", .operator(.settings), "migrate"),
            ("empty", "nobody", .operator(.credentials), "password"),
        ])
    func refusedAtStart(database: String, user: String, disposition: Disposition, remedy: String) throws {
        let empty = try TestDatabase(migrated: false)
        let name = database == "empty" ? empty.name : database
        let url = empty.url.replacing("/\(empty.name)", with: "/\(name)").replacing("tweets@", with: "\(user)@")
        let failure = #expect(throws: DatabaseError.self) { _ = try Loader.claiming(url) }
        #expect(failure?.disposition == disposition)
        #expect(failure?.description.contains(remedy) == true)
    }
}
