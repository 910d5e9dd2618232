import Core
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: status", .ownThreads, .timeLimit(.minutes(4)))
struct StatusTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private func status() throws -> LoaderStatus {
        try LoaderStatus(database.connect())
    }

    /// Offsets of a topic with twelve partitions, half of them behind.
    private func fill(_ topic: String, owner: String) throws -> LoaderStatus {
        try database.query(
            """
            INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner, committed_at, rate)
            SELECT $1, p, 1234567890, 1, $2, now(), CASE WHEN p < 6 THEN 10 ELSE 0 END
            FROM generate_series(0, 11) AS p
            """, [topic, owner])
        try database.query("INSERT INTO loaders (owner) VALUES ($1)", [owner])
        try database.query("INSERT INTO stream_ledger VALUES ('default', '0a1b2c3d', '{[1,2000000)}')")
        for partition in 0..<9 {
            try database.query(
                """
                INSERT INTO rejects (reason, kafka_topic, kafka_partition, kafka_offset)
                VALUES ('reason ' || $1, 't', 0, $1::bigint)
                """, ["\(partition)"])
        }
        var status = try status()
        var answer = KafkaEnds.Answer()
        for partition in 0..<12 as Range<Int32> {
            answer.ends[.init(topic, partition)] = (0, 1_234_567_890 + (partition < 6 ? Int64(partition) * 1000 : 0))
        }
        status.add(answer)
        return status
    }

    @Test("the first line says whether a loader runs")
    func running() throws {
        #expect(try status().text.hasPrefix("loader: none is running (none was ever seen)"))
        let connection = try database.connect()
        let presence = LoaderPresence(owner: "host/1/a")
        try presence.sign(connection)
        #expect(try status().text.hasPrefix("loader: running, host/1/a, 0 partitions; no commit yet"))
        #expect(try status().json(isCompact: true).contains(#""is_running":true"#))
        try presence.end(connection)
        #expect(try status().text.contains(/^loader: none is running \(last seen \d+ s ago\)/))
        try presence.sign(connection)
        try LoaderPresence(owner: "host/2/b").sign(connection)
        #expect(try status().text.hasPrefix("loader: 2 are running"))
        try database.query("DELETE FROM loaders")
        for writer in 1...2 { try LoaderPresence(owner: "host/3/c/\(writer)").sign(connection) }
        #expect(try status().text.hasPrefix("loader: running, host/3/c, 2 writers, 0 partitions; no commit yet"))
        try database.query("UPDATE loaders SET seen_at = now() - interval '22 seconds'")
        let later = try status().text
        let seen = try #require(later.firstMatch(of: /^loader: none is running \(last seen (\d+) s ago\)/), "\(later)")
        #expect((22..<120).contains(Int(seen.1) ?? 0), "\(later)")
        #expect(try status().json(isCompact: true).contains(#""is_running":false"#))
    }

    @Test("the headline ends with the state of Kafka's group, unless that is unknown")
    func group() throws {
        var status = try status()
        status.consumerGroup = .init(name: "g", state: "Stable", members: 2)
        #expect(status.text.hasPrefix("loader: none is running (none was ever seen); group stable (2 members)\n"))
        #expect(status.json(isCompact: true).contains(#""consumer_group":{"members":2,"name":"g","state":"Stable"}"#))
        let start = ContinuousClock.now
        let found = try readStatus(.test(database.url))
        #expect(found.consumerGroup?.state == "unknown" && found.consumerGroup?.problem != nil)
        #expect(!found.text.contains("group"), "\(found.text)")
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test("a loader in a long transaction runs, although it gives no sign")
    func busy() throws {
        let loader = try Loader.claiming(database.url)
        try database.query("INSERT INTO loaders (owner, seen_at) VALUES ('test', now() - interval '1 minute')")
        #expect(try status().loaders.isEmpty)
        let writing = try database.connect()
        try writing.execute("BEGIN; SELECT FROM loader_offsets FOR UPDATE")
        #expect(try status().loaders.map(\.owner) == ["test"])
        try writing.execute("COMMIT")
        try loader.settle(TestLines.batch(TestLines.tweets(1)))
        #expect(try status().loaders.map(\.partitions) == [1], "a commit is a sign of life")
    }

    @Test("the rate is 0 when nothing was committed for 10 s")
    func rate() throws {
        try database.query(
            """
            INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner, committed_at, rate)
            VALUES ('t', 0, 5, 1, 'x', now() - interval '3 seconds', 1000),
                ('t', 1, 5, 1, 'x', now() - interval '11 seconds', 100000)
            """)
        #expect((100..<1000).contains(try status().rate))
        try database.query("UPDATE loader_offsets SET committed_at = now() - interval '12 seconds'")
        #expect(try status().rate == 0)
    }

    @Test(
        "on a terminal of 80 columns every line fits",
        arguments: ["tweets", String(repeating: "long-name.", count: 20)])
    func columns(topic: String) throws {
        let owner = "a-host-with-a-very-long-name.in-a-domain.with-many-parts.example.com/12345/1x2y3z4"
        var status = try fill(topic, owner: owner)
        let lines = status.text(on: Terminal(columns: 80)).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(status.text(on: Terminal(columns: 80)))")
        #expect(lines.contains { $0.hasPrefix("partition") && $0.contains("lag") })
        #expect(lines.contains("… 6 idle"))
        #expect(lines.contains { $0.contains("\(topic.suffix(4))-5") && $0.contains("5000") })
        status.listsIdle = true
        #expect(status.text(on: Terminal(columns: 80)).contains("-11"))
        #expect(status.text.contains("\(topic)-11"), "in full elsewhere")
    }

    @Test("on a screen of 24 lines the headline stays at the top, and what was cut is counted")
    func rows() throws {
        var status = try fill("tweets", owner: "host/1/a")
        status.listsIdle = true
        for rows in 8...30 {
            let text = status.text(on: Terminal(columns: 80, rows: rows))
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count <= rows, "\(rows):\n\(text)")
            #expect(lines[0].hasPrefix("loader: running"))
            #expect(lines[1].hasPrefix("lag"))
        }
        let text = status.text(on: Terminal(columns: 80, rows: 21))
        #expect(text.contains("… 9 more"), "\(text)")
        #expect(text.contains("default"), "journals keep their place")
    }
}
