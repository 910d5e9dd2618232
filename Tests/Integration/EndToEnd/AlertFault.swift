import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// A fault of a running pipeline, and the alerts by which Prometheus reports it.
struct AlertFault: Sendable {
    /// An alert with labels that it must have.
    struct Alert: Sendable {
        let name: String
        var labels: [String: String] = [:]

        func isMet(by alert: PrometheusServer.Rule.Alert) -> Bool {
            alert.labels["alertname"] == name && labels.allSatisfy { alert.labels[$0.key] == $0.value }
        }
    }

    typealias Step = @Sendable (AlertScene) async throws -> Void

    let name: String
    /// All of these must fire.
    let fires: [Alert]
    /// What else the fault entails; nothing else may fire.
    let mayFire: [String]
    let cause: Step
    let undo: Step

    init(_ name: String, fires: [Alert], mayFire: [String] = [], cause: @escaping Step, undo: @escaping Step) {
        (self.name, self.fires, self.mayFire) = (name, fires, mayFire)
        (self.cause, self.undo) = (cause, undo)
    }
}

extension AlertFault {
    /// In the order in which one pipeline can have them: the last ones leave a full disk and holes behind.
    static let all = timelines + stream + money + ledger + servers + services + disk + [hole]

    private static let timelines = [
        AlertFault(
            "X wants to be paid", fires: [.init(name: "TweetTimelinesPaused", labels: ["cause": "no_credits"])],
            cause: { scene in
                for account in AlertScene.accounts { scene.run.x.setUser(account) { $0.refusal = .creditsDepleted } }
            },
            undo: { scene in
                for account in AlertScene.accounts { scene.run.x.setUser(account) { $0.refusal = nil } }
                _ = try await scene.run.query(
                    "UPDATE timeline_pauses SET until = now(); SELECT pg_notify('x_tokens', '')")
            }),
        AlertFault(
            // One call at a time, eight accounts: a round takes longer than it may.
            "X is slow", fires: [.init(name: "TweetTimelinesLate")],
            cause: { $0.run.x.setUserDelay(.seconds(4)) }, undo: { $0.run.x.setUserDelay(.zero) }),
    ]

    private static let stream = [
        AlertFault(
            "X denies the connection", fires: [.init(name: "TweetStreamDisconnected")],
            cause: { scene in
                scene.run.x.inject(Fault(.refuse, count: 100_000, endpoint: "stream", answer: .serverError(503)))
                scene.run.x.inject(Fault(.close))
            }, undo: { $0.run.x.clearFaults() }),
        AlertFault(
            // Without posts the stream is quiet as well.
            "X sends not even keep-alives", fires: [.init(name: "TweetStreamSilent")], mayFire: ["TweetStreamQuiet"],
            cause: { $0.run.x.inject(Fault(.stall, seconds: 20)) }, undo: { _ in }),
        AlertFault(
            "somebody adds a rule at X", fires: [.init(name: "TweetRulesDiffer")],
            cause: { $0.run.x.addRules([("behind our back", nil)]) },
            undo: { $0.run.x.deleteRules(["behind our back"]) }),
        AlertFault(
            "X's certificate ends in two days", fires: [.init(name: "TweetCertificateEnds", labels: ["peer": "x"])],
            cause: { $0.reconnect(.valid) }, undo: { $0.reconnect(.lasting) }),
        AlertFault(
            "X sends what is no JSON", fires: [.init(name: "TweetRejects", labels: ["reason": "not_json"])],
            cause: { scene in for _ in 0..<30 { scene.run.x.inject(Fault(.line)) } }, undo: { _ in }),
    ]

    private static let money = [
        AlertFault(
            "a rule matches eight times as many posts", fires: [.init(name: "TweetBudgetEndsEarly")],
            cause: { $0.run.x.setRate(8 * AlertScene.rate) }, undo: { $0.run.x.setRate(AlertScene.rate) }),
        AlertFault(
            "X sends keep-alives, and hardly a post", fires: [.init(name: "TweetStreamQuiet")],
            cause: { $0.run.x.setRate(0.1) }, undo: { $0.run.x.setRate(AlertScene.rate) }),
    ]

    private static let ledger = [
        AlertFault(
            // Its producer is stopped to age the gap.
            "a gap is six and a half days old", fires: [.init(name: "TweetGapNearlyTooOld")],
            mayFire: ["TweetPipelineDown", "TweetStreamDisconnected"],
            cause: { try await $0.ageGap(by: .seconds(6.5 * 86_400)) }, undo: { try await $0.closeOldGap() }),
        AlertFault(
            "numbers are not settled", fires: [.init(name: "TweetLinesMissing", labels: ["stream": "default"])],
            cause: { try await $0.loseNumbers() }, undo: { try await $0.setSettled(true) }),
    ]

    private static let servers = [
        AlertFault(
            "Kafka is frozen",
            fires: [.init(name: "TweetKafkaBehind"), .init(name: "TweetPipelineStale", labels: ["stream": "default"])],
            // What was read of a partition just before stays pending.
            mayFire: ["TweetLoaderBehind"],
            cause: { $0.run.setKafkaHalted(true) }, undo: { $0.run.setKafkaHalted(false) }),
        AlertFault(
            "PostgreSQL is frozen",
            fires: [
                .init(name: "TweetLoaderBehind"), .init(name: "TweetPipelineStale", labels: ["stream": "default"]),
            ],
            cause: { try $0.setPostgresFrozen(true) }, undo: { try $0.setPostgresFrozen(false) }),
    ]

    private static let services = [
        AlertFault(
            "the producer is killed",
            fires: [
                .init(name: "TweetPipelineDown", labels: ["job": "tweet-producer"]),
                .init(name: "TweetPipelineStale", labels: ["stream": "default"]),
            ], cause: { $0.run.pipeline.kill(.producer) }, undo: { try $0.startProducer() }),
        AlertFault(
            "the loader hangs as a whole",
            fires: [.init(name: "TweetPipelineDown", labels: ["job": "tweet-loader"])],
            cause: { $0.run.pipeline.process(of: .loader)?.send(SIGSTOP) },
            undo: { $0.run.pipeline.process(of: .loader)?.send(SIGCONT) }),
        AlertFault(
            "the poller is killed", fires: [.init(name: "TweetPipelineDown", labels: ["job": "tweet-timelines"])],
            // Its heartbeats are missing, too.
            mayFire: ["TweetPipelineStale"], cause: { $0.killPoller() }, undo: { try $0.startPoller() }),
    ]

    private static let disk = [
        AlertFault(
            "another program fills the journal's disk", fires: [.init(name: "TweetJournalDiskFull")],
            cause: { try $0.setDiskFilling(true) }, undo: { try $0.setDiskFilling(false) }),
        AlertFault(
            // X is not read, and no heartbeat fits.
            "the journal's disk is full", fires: [.init(name: "TweetJournalNotWritable")],
            mayFire: ["TweetJournalDiskFull", "TweetStreamDisconnected", "TweetPipelineStale"],
            cause: { try await $0.fillDisk() }, undo: { $0.disk.empty() }),
    ]

    private static let hole = AlertFault(
        // The loader is stopped meanwhile, and then has much to load; so many posts are expensive, and those afterwards few.
        "Kafka deletes messages before they are loaded", fires: [.init(name: "TweetKafkaHole")],
        mayFire: [
            "TweetPipelineDown", "TweetLoaderBehind", "TweetPipelineStale", "TweetBudgetEndsEarly", "TweetStreamQuiet",
            "TweetJournalDiskFull",
        ],
        cause: { try await $0.loseMessages() },
        undo: { _ = try await $0.run.query("UPDATE kafka_holes SET status = 'repaired'") })
}

extension AlertScene {
    /// A new connection finds another certificate.
    fileprivate func reconnect(_ certificate: CertificateKind) {
        run.x.certificate = certificate
        run.x.inject(Fault(.close))
    }

    /// Leaves no room, also where the producer removes what Kafka has acknowledged.
    fileprivate func fillDisk() async throws {
        try await run.expect("a journal that cannot be written") {
            let attributes = try FileManager.default.attributesOfFileSystem(forPath: disk.path)
            let free = (attributes[.systemFreeSize] as? NSNumber)?.int64Value ?? 0
            // `fill` leaves 64 KiB, and would give them again.
            if free > 65_536 { disk.fill() }
            return try await prometheus.query("tweet_producer_journal_writable == 0")?.data?.result.isEmpty == false
        }
    }

    private var gapsFile: String { disk.path + "/journal/default/gaps.json" }

    private func gaps() throws -> [[String: Any]] {
        let content = try JSONSerialization.jsonObject(with: Data(readTextFile(gapsFile).utf8)) as? [String: Any]
        return try #require(content?["gaps"] as? [[String: Any]])
    }

    private func number(_ name: String, of gap: [String: Any]) -> Int64 { (gap[name] as? NSNumber)?.int64Value ?? 0 }

    /// Moves the newest gap into the past, as the producer's file has it.
    fileprivate func ageGap(by age: Duration) async throws {
        run.pipeline.end(.producer)
        var gaps = try gaps()
        let index = try #require(gaps.lastIndex { $0["ended"] != nil })
        for name in ["started", "ended"] {
            gaps[index][name] = NSNumber(value: number(name, of: gaps[index]) - age.milliseconds)
        }
        let data = try JSONSerialization.data(withJSONObject: ["gaps": gaps, "spent": [String: Int]()])
        try data.write(to: URL(filePath: gapsFile))
        try startProducer()
    }

    /// What the runbook says about a gap that is not to be filled.
    fileprivate func closeOldGap() async throws {
        let oldest = try #require(try gaps().min { number("started", of: $0) < number("started", of: $1) })
        let seq = number("seq", of: oldest)
        let pipeline = run.pipeline
        _ = try await blocking { try pipeline.run(.producer, ["gaps", "close", "\(seq)", "--reason", "a test"]) }
    }

    /// Adds three numbers to the ledger, or removes them.
    fileprivate func setSettled(_ isSettled: Bool) async throws {
        let change = "settled \(isSettled ? "+" : "-") int8multirange(int8range(5, 8))"
        _ = try await run.query("UPDATE stream_ledger SET settled = \(change) WHERE stream = 'default'")
    }

    /// Removes numbers from the ledger; for the loader, ten minutes pass before each of its next two looks.
    fileprivate func loseNumbers() async throws {
        try await setSettled(false)
        for round in 1...2 {
            let before = Date().timeIntervalSince1970
            try clock.suspend(round * 601)
            try await run.expect("the loader's look") {
                let read = "tweet_loader_status_read_timestamp_seconds > \(before)"
                return try await prometheus.query(read)?.data?.result.isEmpty == false
            }
        }
    }

    /// Sends more than the mock cluster keeps of a partition, 5 MiB, while no loader runs.
    fileprivate func loseMessages() async throws {
        run.pipeline.kill(.loader)
        let begin = Date().timeIntervalSince1970
        run.x.issue(20_000)
        try await run.expect("Kafka's acknowledgement of 12 MB") {
            let bytes = #"tweet_producer_kafka_acknowledged_bytes_total{topic="tweets"}"#
            return try await prometheus.query("\(bytes) - \(bytes) @ \(begin) > 12e6")?.data?.result.isEmpty == false
        }
        try startLoader()
    }
}
