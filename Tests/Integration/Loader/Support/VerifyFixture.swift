import Core
import Harness
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// A database and a Kafka with lines of one journal, for tests of `verify`.
protocol VerifyFixture {
    var database: TestDatabase { get }
    var kafka: KafkaSandbox { get }

    init(database: TestDatabase, kafka: KafkaSandbox)
}

extension VerifyFixture {
    init() throws {
        self.init(
            database: try TestDatabase(), kafka: try KafkaSandbox(topics: ["tweets": 4, "tweets.events": 1]))
    }

    func settings() throws -> LoaderSettings {
        try .test(database.url, kafka: kafka.bootstrapServers)
    }

    func verify(
        _ settings: LoaderSettings, journals: String? = nil, patience: Duration = .zero, wait: Duration? = nil,
        underWay: Int64 = 0
    ) throws -> LedgerReport {
        var verification = try Verification(
            settings, journals: journals,
            patience: .init(looks: 2, time: patience, pause: .milliseconds(100), underWay: underWay))
        var report = try verification.run(wait: wait)
        report.waited = wait
        return report
    }

    func publish(_ numbers: some Sequence<Int64>) throws {
        let publisher = try KafkaPublisher(bootstrapServers: kafka.bootstrapServers)
        let headers = { (seq: Int64) in
            [
                ("stream", "test"), ("journal", "0a1b2c3d"), ("seq", "\(seq)"),
                ("received_at", "2026-11-20T08:00:00.000Z"), ("connection", "1763700000000"),
            ]
        }
        for number in numbers {
            let id = TestLines.firstID + number
            try publisher.enqueue(
                .init(topic: "tweets", key: "\(id)", value: TestLines.tweet(id), headers: headers(number)))
        }
        try publisher.flush()
    }

    /// Runs a loader until so many tweets are there.
    func load(until count: Int) throws {
        let stop = Stop()
        let settings = try settings()
        let loading = Background { try Loader(settings, stop: stop, logger: LogRecorder().logger).run() }
        #expect(try eventually { try database.query("SELECT count(*) FROM tweets") == [["\(count)"]] })
        stop.raise()
        try loading.join()
    }
}
