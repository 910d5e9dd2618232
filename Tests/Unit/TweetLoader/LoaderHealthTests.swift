import Core
import KafkaClient
import Operations
import TestSupport
import Testing

@testable import TweetLoader

/// Health of a loader by the age of what is pending.
@Suite(.timeLimit(.minutes(5))) struct LoaderHealthTests {
    private let metrics = LoaderMetrics()
    private let now = Timestamp(milliseconds: 1_800_000_000_000)

    private func ago(_ seconds: Int64) -> Timestamp { now.advanced(by: .seconds(-seconds)) }

    private func check(_ name: String) throws -> HealthCheck {
        try #require(LoaderHealth(metrics: metrics).checks(at: now).first { $0.name == name })
    }

    private func set(oldest seconds: Int64?) {
        let moment = seconds.map { Double(ago($0).milliseconds) / 1000 } ?? 0
        metrics.consuming.oldest.set([(["tweets", "0"], 0), (["tweets", "1"], moment)])
    }

    private func state(
        _ stream: String, age: Int64, isConnected: Bool? = true, due: Duration? = .seconds(30)
    ) -> StreamStates {
        StreamStates(
            stream: stream, aliveAt: ago(age), delay: .milliseconds(80), dueAfter: due, isConnected: isConnected)
    }

    @Test func aQuietXIsHealthy() {
        metrics.consuming.connected.set(true)
        metrics.consuming.answeredAt.set(ago(9))
        set(oldest: nil)
        metrics.facts.set([state("default", age: 39)])
        let report = HealthReport(service: "tweet-loader", checks: LoaderHealth(metrics: metrics).checks(at: now))
        #expect(report.status == .ok, "\(report.text)")
        #expect(
            report.headline
                == "PostgreSQL is behind by 0 s; the newest heartbeat of stream default in PostgreSQL is 39 s old")
    }

    @Test func theOldestMessageCounts() throws {
        set(oldest: 44)
        #expect(try check("lag").status == .ok)
        set(oldest: 301)
        for lag in [500, 500, 500, 500] { metrics.consuming.trend.note(Int64(lag)) }
        #expect(
            try check("lag").status == .failing && check("lag").detail == "PostgreSQL is behind by 5 min, 500 messages")
        // It is being worked off: 100 messages every 10 s.
        for lag in [900, 800, 700, 600] { metrics.consuming.trend.note(Int64(lag)) }
        #expect(try check("lag").status == .degraded)
        #expect(try check("lag").detail.hasSuffix("; at this rate it is caught up in 60 s"))
    }

    @Test func theOldestHeartbeatIsNamed() throws {
        #expect(try check("heartbeat").detail == "no heartbeat was read yet")
        metrics.facts.set([])
        #expect(try check("heartbeat").status == .ok)
        metrics.facts.set([state("a", age: 5), state("b", age: 70), state("c", age: 300, due: .seconds(600))])
        #expect(try check("heartbeat").status == .degraded)
        #expect(try check("heartbeat").detail == "the newest heartbeat of stream b in PostgreSQL is 70 s old")
        metrics.facts.set([state("a", age: 400), state("b", age: 70)])
        #expect(try check("heartbeat").status == .failing && check("heartbeat").value == 400)
        metrics.facts.set([state("a", age: 4, isConnected: false), state("b", age: 4, isConnected: nil)])
        #expect(try check("stream").detail == "not connected to X at the newest heartbeat: a")
    }

    @Test func outagesAreNamed() throws {
        metrics.consuming.answeredAt.set(ago(50))
        #expect(try check("kafka").status == .degraded && check("kafka").detail == "Kafka has not answered for 50 s")
        metrics.writers.begin("w", step: "s")
        metrics.writers.connected("w")
        #expect(try check("postgresql").status == .ok)
        metrics.writers.failed("w", isRefused: false)
        let soon = LoaderHealth(metrics: metrics).checks(at: Timestamp.now().advanced(by: .seconds(25)))
        #expect(soon.first { $0.name == "postgresql" }?.status == .degraded)
        metrics.writers.failed("w", isRefused: true)
        #expect(try check("postgresql").status == .failing && check("postgresql").detail.contains("rejected every row"))
        metrics.writers.connected("w")
        #expect(try check("postgresql").status == .ok)
    }

    @Test func whatIsMissingFails() throws {
        metrics.facts.missing.set([(["a"], 0), (["b"], 3)])
        #expect(try check("ledger").detail == "lines that have not been settled for 10 minutes: 3 of stream b")
        #expect(try check("ledger").status == .failing && check("holes").status == .ok)
        metrics.facts.holes.set(Int64(1))
        #expect(try check("holes").status == .failing)
    }

    @Test("numbers count as missing only when no look for 10 minutes has found them settled")
    func unsettledLines() {
        var watch = UnsettledWatch()
        let begin = ContinuousClock.now
        let name = JournalName(stream: "s", journal: "j")
        func look(_ minutes: Int, _ numbers: Set<Int64>) -> Int64? {
            watch.look([name: RangeSet(numbers: numbers)], at: begin + .seconds(60 * minutes))["s"]
        }
        #expect(look(0, [1, 2, 3]) == 0)
        #expect(look(5, [2, 3, 50]) == 0)
        // 3 was settled in between; that it is listed again means nothing.
        #expect(look(9, [2, 50]) == 0)
        #expect(look(10, [2, 3, 50]) == 1)
        #expect(look(15, [2, 50, 60]) == 1)
        #expect(look(20, [2, 50, 60]) == 2)
        #expect(look(21, []) == 0)
    }
}
