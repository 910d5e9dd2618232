import Core
import FoundationEssentials
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: with Kafka", .ownThreads, .timeLimit(.minutes(4)))
struct LoaderServiceTests {
    private let database: TestDatabase
    private let kafka: KafkaSandbox

    init() throws {
        database = try TestDatabase()
        kafka = try KafkaSandbox(topics: ["tweets": 4, "tweets.events": 1])
    }

    private func settings(_ owner: String = "test") throws -> LoaderSettings {
        try .test(database.url, kafka: kafka.bootstrapServers, owner: owner)
    }

    /// Publishes tweets as the producer does, with dense sequence numbers.
    private func publish(_ numbers: some Sequence<Int64>, topic: String = "tweets") throws {
        let producer = try KafkaProducer(
            KafkaConfiguration(bootstrapServers: kafka.bootstrapServers), logger: LogRecorder().logger)
        var acknowledged = 0
        var sent = 0
        for number in numbers {
            let id = TestLines.firstID + number
            try unsafe Array("\(id)".utf8).withUnsafeBytes { key in
                try unsafe Array(TestLines.tweet(id).utf8).withUnsafeBytes { value in
                    try unsafe producer.enqueue(
                        topic: topic, key: key, value: value, headers: TestLines.headers(number), id: number)
                }
            }
            sent += 1
        }
        let deadline = ContinuousClock.now + .seconds(90)
        while acknowledged < sent, ContinuousClock.now < deadline {
            acknowledged += producer.poll(timeout: .milliseconds(100)).count { $0.error == nil }
        }
        #expect(acknowledged == sent)
    }

    private func verify() throws -> LedgerReport {
        var verification = try Verification(settings(), patience: .init(looks: 2, time: .zero))
        return try verification.run()
    }

    private func tweets() throws -> Int {
        Int(try database.query("SELECT count(*) FROM tweets")[0][0] ?? "") ?? 0
    }

    private func run(_ settings: LoaderSettings, _ stop: Stop, _ log: LogRecorder = LogRecorder()) -> Background {
        Background { try Loader(settings, stop: stop, logger: log.logger).run() }
    }

    @Test("every message becomes a row once, over a stop and a new start")
    func exactlyOnce() throws {
        try publish(1...1500)
        let first = Stop()
        let loading = try run(settings("first"), first)
        #expect(try eventually { try tweets() == 1500 })
        first.raise()
        try loading.join()
        try publish(1501...2000)
        // What is settled must not be read again: without its rows it would come back.
        try database.query("DELETE FROM tweets WHERE id < \(TestLines.firstID + 500)")
        let second = Stop()
        let again = try run(settings("second"), second)
        #expect(try eventually { try tweets() == 1501 })
        second.raise()
        try again.join()
        let report = try verify()
        #expect(report.verdict == .complete)
        #expect(report.journals.map { [$0.settled, $0.numbered, $0.inFlight, $0.missing] } == [[2000, 2000, 0, 0]])
    }

    @Test("lines that are settled are passed over unread when they come again under other offsets")
    func redelivery() throws {
        try publish(1...500)
        let first = Stop()
        let loading = try run(settings("first"), first)
        #expect(try eventually { try tweets() == 500 })
        first.raise()
        try loading.join()
        try publish(1...500)
        try publish(501...600)
        try database.query("UPDATE loader_offsets SET next_offset = NULL")
        try database.query("DELETE FROM tweets WHERE id < \(TestLines.firstID + 400)")
        let (second, log) = (Stop(), LogRecorder())
        let again = try run(settings("second"), second, log)
        #expect(
            try eventually {
                try database.query("SELECT coalesce(sum(next_offset), 0) FROM loader_offsets WHERE topic !~ 'events'")
                    == [["1100"]]
            })
        second.raise()
        try again.join()
        // 399, because ids begin with the number 1; what was deleted by hand does not come back by itself.
        #expect(try tweets() == 600 - 399)
        // Told every ten seconds, and at the end.
        let told = log.texts.compactMap { $0.split(separator: "\"settled_before\": ").dropFirst().first }
        #expect(told.compactMap { Int($0.prefix { $0.isNumber }) }.reduce(0, +) == 1000)
        #expect(try verify().verdict == .complete)
    }

    @Test("status shows the lag, partitions that no loader has claimed included")
    func status() throws {
        try publish(1...50)
        #expect(try readStatus(settings()).lag == 50)
        let stop = Stop()
        let loading = try run(settings(), stop)
        #expect(try eventually { try tweets() == 50 })
        #expect(try readStatus(settings()).loaders.map(\.owner) == ["test"])
        stop.raise()
        try loading.join()
        try publish(51...75)
        let status = try readStatus(settings())
        #expect(status.lag == 25)
        #expect(status.loaders.isEmpty, "it has signed off")
        #expect(status.tweets == 50)
        #expect(status.partitions.count == 5)
        #expect(status.text.contains("tweets-3"))
        let decoded = try #require(try JSONSerializationCheck.object(status.json()))
        #expect(decoded.contains("next_offset"))
    }

    @Test("two loaders share the partitions, one leaves, and every tweet is there once")
    func twoLoaders() throws {
        let (firstStop, secondStop) = (Stop(), Stop())
        try publish(1...500)
        let first = try run(settings("first"), firstStop)
        #expect(try eventually { try tweets() == 500 })
        let second = try run(settings("second"), secondStop)
        #expect(
            try eventually {
                try database.query("SELECT count(DISTINCT owner) FROM loader_offsets") == [["2"]]
            })
        try publish(501...1500)
        #expect(try eventually { try tweets() == 1500 })
        firstStop.raise()
        try first.join()
        try publish(1501...2000)
        #expect(try eventually { try tweets() == 2000 })
        secondStop.raise()
        try second.join()
        #expect(try verify().journals.map { [$0.settled, $0.missing] } == [[2000, 0]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }

    @Test("PostgreSQL away while loading: the membership is kept, nothing is lost or doubled")
    func outage() throws {
        let server = try PostgresSandbox()
        defer { server.destroy() }
        let (log, stop) = (LogRecorder(), Stop())
        _ = try migrate(PostgresConninfo(server.url()), payload: .jsonb)
        // Only the loader's own join changes this group, however long a busy machine keeps heartbeats back.
        let loading = try run(.test(server.url(), kafka: kafka.bootstrapServers, session: 60_000), stop, log)
        try publish(1...500)
        #expect(try eventually { try server.query("SELECT count(*) FROM tweets") == "500" })
        server.stop(.immediate)
        try publish(501...1500)
        #expect(log.wait(for: "PostgreSQL is unreachable; retrying"))
        try server.start()
        #expect(try eventually { try server.query("SELECT count(*) FROM tweets") == "1500" })
        stop.raise()
        try loading.join()
        #expect(log.count(containing: "Kafka's group changed") == 1)
        #expect(try server.query("SELECT min(fence), max(fence) FROM loader_offsets") == "1|1")
        #expect(try server.query("SELECT count(*) FROM rejects") == "0")
    }

    @Test("partitions that come while PostgreSQL is away are loaded when it is back")
    func rebalanceInOutage() throws {
        let server = try PostgresSandbox()
        defer { server.destroy() }
        _ = try migrate(PostgresConninfo(server.url()), payload: .jsonb)
        let (firstStop, secondStop, log) = (Stop(), Stop(), LogRecorder())
        let first = try run(.test(server.url(), kafka: kafka.bootstrapServers, owner: "first"), firstStop, log)
        #expect(log.wait(for: "Kafka's group changed"))
        let second = try run(.test(server.url(), kafka: kafka.bootstrapServers, owner: "second"), secondStop)
        #expect(
            try eventually {
                try server.query("SELECT count(DISTINCT owner) FROM loader_offsets") == "2"
            })
        try publish(1...500)
        #expect(try eventually { try server.query("SELECT count(*) FROM tweets") == "500" })
        server.stop(.immediate)
        try publish(501...1000)
        #expect(log.wait(for: "PostgreSQL is unreachable; retrying"))
        let changes = log.count(containing: "Kafka's group changed")
        secondStop.raise()
        try second.join()
        #expect(eventually { log.count(containing: "Kafka's group changed") > changes })
        try server.start()
        #expect(try eventually { try server.query("SELECT count(*) FROM tweets") == "1000" })
        #expect(try eventually { try server.query("SELECT count(DISTINCT owner) FROM loader_offsets") == "1" })
        firstStop.raise()
        try first.join()
    }

    @Test("the stop finishes the batch in hand, although it is not due yet")
    func drain() throws {
        var settings = try settings()
        settings.limits.fixedAge = .seconds(600)
        try publish(1...20)
        // The batch has no visible state before it is written. So a stop may have come before the records, and then there
        // is another start, which is given more time.
        for seconds in [2, 10, 40] where try tweets() < 20 {
            let (stop, log) = (Stop(), LogRecorder())
            let loading = run(settings, stop, log)
            #expect(log.wait(for: "Kafka's group changed"))
            _ = stop.wait(for: .seconds(seconds))
            #expect(try tweets() < 20, "it was due, so this shows nothing")
            stop.raise()
            try loading.join()
        }
        #expect(try tweets() == 20)
    }
}

/// Whether a text is one JSON object.
enum JSONSerializationCheck {
    static func object(_ text: String) throws -> String? {
        struct Anything: Decodable {}
        _ = try JSONDecoder().decode(Anything.self, from: Data(text.utf8))
        return text
    }
}
