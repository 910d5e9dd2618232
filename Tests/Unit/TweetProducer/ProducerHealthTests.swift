import Core
import Journal
import KafkaClient
import Operations
import Synchronization
import TestSupport
import Testing
import TweetFormat

@testable import TweetProducer

/// Health by the age of what is pending, and the heartbeats that prove it.
@Suite(.timeLimit(.minutes(5))) struct ProducerHealthTests {
    private let metrics = ProducerMetrics()
    private let now = Timestamp(milliseconds: 1_800_000_000_000)

    private func ago(_ seconds: Int64) -> Timestamp { now.advanced(by: .seconds(-seconds)) }

    private func check(_ name: String) throws -> HealthCheck {
        try #require(ProducerHealth(metrics: metrics).checks(at: now).first { $0.name == name })
    }

    private func connect() {
        metrics.stream.connected.set(true)
        metrics.stream.connectionStart.set(ago(7200))
        metrics.stream.lastByte.set(ago(15))
        metrics.journal.accepts(true)
    }

    @Test("a healthy X that has sent no post for days: everything is ok")
    func quiet() {
        connect()
        metrics.stream.lastPost.set(ago(500_000))
        let checks = ProducerHealth(metrics: metrics).checks(at: now)
        #expect(checks.allSatisfy { $0.status == .ok }, "\(checks)")
        let report = HealthReport(service: "tweet-producer", checks: checks)
        #expect(report.headline == "connected for 2 h; Kafka is behind by 0 s")
    }

    @Test("what systemd shows begins with the role, also while something is wrong")
    func role() {
        connect()
        let report = HealthReport(service: "tweet-producer", checks: ProducerHealth(metrics: metrics).checks(at: now))
        #expect(ProducerHealth.line(report.headline, nil) == "connected for 2 h; Kafka is behind by 0 s")
        #expect(ProducerHealth.line(report.headline, "active").hasPrefix("active: connected for 2 h"))
        metrics.stream.passive.set(true)
        let passive = HealthReport(service: "tweet-producer", checks: ProducerHealth(metrics: metrics).checks(at: now))
        #expect(
            ProducerHealth.line(passive.headline, "passive").hasPrefix("passive: another producer reads the stream"))
        #expect(ProducerHealth.line("Kafka is unreachable", "passive") == "passive: Kafka is unreachable")
    }

    @Test(arguments: [(Int64(10), HealthCheck.Status.ok), (60, .degraded), (400, .failing)])
    func aConnectionThatIsMissing(age: Int64, status: HealthCheck.Status) throws {
        metrics.stream.interruption.value = StreamInterruption(since: ago(age), cause: "server_error", detail: "503")
        metrics.stream.nextAttempt.set(now.advanced(by: .seconds(20)))
        let found = try check("stream")
        #expect(found.status == status)
        #expect(found.detail.contains("server_error: 503; next attempt at 2027-01-15T08:00:20"))
        // Not two checks for one thing.
        #expect(try check("last_byte").status == .ok)
    }

    @Test func whatNoWaitingHealsFailsAtOnce() throws {
        for cause in ["unauthorized", "forbidden", "token", "no_credits", "usage_cap", "no_rules"] {
            metrics.stream.interruption.value = StreamInterruption(since: ago(1), cause: cause)
            #expect(try check("stream").status == .failing)
        }
        metrics.stream.interruption.value = StreamInterruption(since: ago(9999), cause: "post_limit", detail: "MAX")
        #expect(try check("stream") == .ok("stream", "not connected, as wanted: MAX"))
        metrics.stream.interruption.value = nil
        metrics.stream.passive.set(true)
        #expect(try check("stream").status == .ok)
    }

    @Test func loadersThatSettleNothing() throws {
        metrics.loaders.last.set(ago(30))
        #expect(try check("loader").status == .ok)
        metrics.loaders.last.set(ago(60))
        #expect(try check("loader").status == .degraded)
        #expect(try check("loader").detail == "loaders last settled something 60 s ago")
        metrics.loaders.obstacle.value = "Kafka denies it"
        #expect(try check("loader") == .ok("loader", "not known: Kafka denies it"))
    }

    @Test("a group makes progress while it commits, or has nothing to do; each partition counts")
    func progressOfAGroup() {
        var progress = GroupProgress()
        let (first, second) = (TopicPartition("t", 0), TopicPartition("t", 1))
        func look(_ committed: [TopicPartition: Int64], _ ends: [TopicPartition: Int64], at seconds: Int64) -> Int64? {
            progress.look(committed, ends, at: ago(-seconds)).map { ($0.milliseconds - now.milliseconds) / 1000 }
        }
        #expect(look([:], [:], at: 0) == nil)
        #expect(look([first: 5, second: 9], [first: 5, second: 9], at: 10) == nil)
        // Since the last look at which nothing was pending.
        #expect(look([first: 5, second: 9], [first: 7, second: 9], at: 20) == 10)
        #expect(look([first: 5, second: 9], [first: 8, second: 10], at: 30) == 10)
        #expect(look([first: 6, second: 9], [first: 9, second: 11], at: 40) == 20)
        #expect(look([first: 7, second: 11], [first: 9, second: 11], at: 50) == 50)
        #expect(look([first: 9, second: 11], [first: 9, second: 11], at: 60) == nil)
    }

    @Test func aReaderThatHangs() throws {
        connect()
        metrics.stream.lastByte.set(ago(39))
        #expect(try check("last_byte").status == .ok)
        metrics.stream.lastByte.set(ago(41))
        #expect(try check("last_byte").status == .failing && check("stream").status == .ok)
        // A new connection has not sent anything yet.
        metrics.stream.connectionStart.set(ago(3))
        #expect(try check("last_byte").status == .ok)
    }

    @Test func theJournalAndWhatIsBehindIt() throws {
        connect()
        metrics.journal.oldest.set(ago(50))
        #expect(try check("kafka").status == .degraded && check("kafka").detail.contains("and unreachable"))
        metrics.publishing.connected.set(true)
        #expect(try check("kafka").detail == "Kafka is behind by 50 s")
        metrics.journal.oldest.set(ago(301))
        #expect(try check("kafka").status == .failing)
        #expect(try check("room").detail == "not measured yet")
        metrics.journal.size.set(Int64(1000))
        metrics.journal.available.set(Int64(500))
        #expect(try check("room") == .ok("room", "50 % of the disk is free"))
        metrics.journal.quota.set(Int64(100))
        metrics.journal.used.set(Int64(91))
        #expect(try check("room").status == .degraded)
        metrics.journal.accepts(false)
        #expect(try check("journal").status == .failing)
        metrics.uploads.oldest.set(ago(90_000))
        #expect(try check("uploads").status == .degraded)
    }

    @Test func rulesAndGapsHaveTime() throws {
        metrics.rules.differing[.missing].set(Int64(2))
        metrics.rules.differsSince.set(ago(7000))
        #expect(try check("rules").status == .ok)
        metrics.rules.differsSince.set(ago(7300))
        #expect(try check("rules").status == .degraded && check("rules").detail == "2 differ for 2 h")
        metrics.gaps.oldest.set(ago(100_000))
        #expect(try check("gaps").status == .degraded)
        let without = ProducerHealth(metrics: metrics, repairsGaps: false).checks(at: now)
        #expect(without.first { $0.name == "gaps" }?.status == .ok)
        metrics.stream.quiet.set(true)
        #expect(try check("pace").status == .degraded)
    }

    // MARK: Heartbeats

    private func event() -> PipelineEvent {
        AliveEvents(every: .seconds(30), metrics, stop: Stop()) { _ in .durable }.event(at: now)
    }

    @Test func aHeartbeatHasWhatIsKnown() throws {
        connect()
        metrics.stream.connection.set(Int64(1_799_999_000_000))
        metrics.journal.used.set(Int64(77))
        metrics.posts.used[.day].set(Int64(5))
        metrics.posts.limit[.cycle].set(Int64(3_000_000))
        let event = event()
        #expect(event.type == .alive && event.at == now.description && event.connection == "1799999000000")
        #expect(event.lastReceivedAt == ago(15).description)
        let state = try #require(event.producer)
        #expect(state.isConnected == true && state.isPassive == false && state.interval == 30_000)
        #expect(state.postsToday == 5 && state.limitPerDay == nil && state.limitPerCycle == 3_000_000)
        #expect(state.journalBytes == 77 && state.availableBytes == nil && state.rules == nil)
        #expect(state.oldestUnacknowledgedAt == nil && state.lastPostAt == nil)
        // What an older program reads, and what is written again.
        #expect(PipelineEvent(line: event.line) == event)
        let text = String(decoding: event.line, as: UTF8.self)
        #expect(text.contains("\"interval_ms\":30000") && text.contains("\"limit_per_cycle\":3000000"))
    }

    @Test func withoutAConnectionItComesAsWell() {
        let event = event()
        #expect(event.connection == nil && event.producer?.isConnected == false && event.lastReceivedAt == nil)
    }

    @Test(.ownThreads) func itComesAtIntervalsAndEndsWithTheService() {
        let stop = Stop()
        let count = Mutex(0)
        AliveEvents(every: .milliseconds(10), metrics, stop: stop) { chunk in
            #expect(chunk.events.count == 1 && chunk.lines.isEmpty)
            if count.withLock({
                $0 += 1; return $0
            }) == 3 {
                stop.raise()
            }
            return .durable
        }.run()
        #expect(count.withLock { $0 } == 3)
    }

    @Test(arguments: [("off", Duration?.none), ("1s", .seconds(1)), ("5m", .seconds(300))])
    func theIntervalIsASetting(text: String, interval: Duration?) throws {
        var reader = try SettingsReader(
            flags: [:], known: ListeningSettings.settings, environment: ["HEARTBEAT": text])
        #expect(HeartbeatSetting.read(&reader) == interval && reader.mistakes.isEmpty)
        var wrong = try SettingsReader(
            flags: [:], known: ListeningSettings.settings, environment: ["HEARTBEAT": "10ms"])
        #expect(HeartbeatSetting.read(&wrong) == .seconds(30))
        #expect(wrong.mistakes.first?.contains("is not a time from 1s to 1h, or off") == true)
    }
}
