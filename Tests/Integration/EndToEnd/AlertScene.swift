import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// A pipeline with a poller of timelines, and a Prometheus that scrapes the three services with the shortened alerts.
final class AlertScene {
    static let accounts: ClosedRange<Int64> = 1...8
    /// Posts a second while nothing is wrong.
    static let rate = 5.0

    let run: PipelineRun
    let prometheus: PrometheusServer
    /// The journal's: no other program of the machine fills it.
    let disk: SmallDisk
    /// The loader's.
    let clock: ServiceClock
    private let folder: TemporaryFolder
    private let addresses: [String: String]
    private var poller: ChildProcess?
    private var writer: ChildProcess?

    /// Runs `body` with a pipeline that works, whose X is silent.
    static func with(_ body: (AlertScene) async throws -> Void) async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 0
        configuration.keepAlive = .milliseconds(300)
        configuration.enforcesRateLimits = false
        configuration.certificate = .lasting
        let (folder, disk) = (try TemporaryFolder(), try SmallDisk(mebibytes: 16_384))
        // Only about 5 MiB of a partition stay in the mock cluster, as they come.
        try folder.write("compression.type=none\nreconnect.backoff.max.ms=500\n", to: "kafka.properties")
        let settings = [
            "HEARTBEAT": "1s", "JOURNAL_DIR": disk.path + "/journal", "DATABASE_TIMEOUT": "10s",
            "KAFKA_PROPERTIES_FILE": folder.path + "/kafka.properties",
        ]
        try await PipelineRun.alone(configuration, partitions: 1, settings: settings) { run in
            let scene = try AlertScene(run, folder, disk)
            defer { scene.end() }
            try await scene.start()
            try await body(scene)
        }
    }

    private init(_ run: PipelineRun, _ folder: TemporaryFolder, _ disk: SmallDisk) throws {
        (self.run, self.folder, self.disk, clock) = (run, folder, disk, try ServiceClock())
        addresses = try ["producer", "loader", "timelines"].reduce(into: [:]) { $0[$1] = "127.0.0.1:\(try freePort())" }
        let source = repository.path + "/deploy/prometheus/prometheus.yml"
        let text = try readTextFile(source).replacing("localhost:9464", with: addresses["producer"] ?? "")
            .replacing("localhost:9465", with: addresses["loader"] ?? "")
            .replacing("localhost:9466", with: addresses["timelines"] ?? "")
            .replacing("# - job_name: tweet-timelines", with: "- job_name: tweet-timelines")
            .replacing("#   static_configs", with: "  static_configs")
            .replacing("scrape_interval: 15s", with: "scrape_interval: 1s")
            .replacing("evaluation_interval: 30s", with: "evaluation_interval: 1s")
        try folder.write(text, to: "prometheus.yml")
        try folder.write(try ShortenedRules.text(), to: "tweet-pipeline.rules.yml")
        try folder.write("- value: pipeline\n  tag: main\n", to: "rules.yaml")
        try folder.write(String(repeating: "0a", count: 32), to: "timelines.key")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: folder.path + "/timelines.key")
        prometheus = try PrometheusServer(folder)
    }

    private func start() async throws {
        run.x.addRules([("pipeline", "main")])
        try startLoader()
        try startProducer()
        for account in Self.accounts {
            run.x.setUser(account) { $0.callLimit = 1_000_000 }
            let pair = run.x.logIn(account)
            _ = try await run.query(
                "SELECT add_x_token(\(account), '\(pair.access)', '\(pair.refresh)', now() + interval '2 hours')")
        }
        try startPoller()
        // What the alerts judge is there; from then on nothing may fire.
        try await run.expect("three targets, their heartbeats, and the ledger") {
            let heartbeats = try await prometheus.query("tweet_loader_stream_heartbeat_timestamp_seconds > 0")
            let others = try await prometheus.query(
                "tweet_loader_ledger_missing_lines and on () tweet_timelines_status_read_timestamp_seconds > 0")
            let isThere = heartbeats?.data?.result.count == 2 && others?.data?.result.isEmpty == false
            return try await prometheus.targets().count(where: { $0.health == "up" }) == 3 && isThere
        }
    }

    private func end() {
        writer?.kill()
        poller?.kill()
        prometheus.kill()
    }

    // MARK: Services

    /// Starts the producer. Of the month's posts, the usual rate uses less than half, whatever day it is.
    func startProducer() throws {
        let reset = Calendar.utc.component(.day, from: Date(timeIntervalSinceNow: 14 * 86_400))
        try run.pipeline.start(
            .producer,
            settings: [
                "LISTEN": addresses["producer"], "X_CA_FILE": run.x.caFile, "X_QUIET_AFTER": "3s",
                "X_STALL_TIMEOUT": "2m", "X_RULES_FILE": folder.path + "/rules.yaml", "X_RULES_CHECK": "10s",
                "MAX_POSTS_PER_MONTH": "20000000", "X_CAP_RESET_DAY": "\(min(reset, 28))",
            ])
    }

    /// Starts the loader.
    func startLoader() throws {
        let settings = ["LISTEN": addresses["loader"], "ON_HOLE": "continue"]
        // The usual session of tests, 3 s, is shorter than a pause of a busy machine.
        let session = "exec \"$@\" -X session.timeout.ms=10000"
        try run.pipeline.start(
            .loader, under: ["/bin/sh", "-c", session, "sh"], settings: settings.merging(clock.settings) { $1 })
    }

    /// Starts the poller of timelines.
    func startPoller() throws {
        var command = ChildCommand(try siblingExecutable("tweet-timelines"), ["run"])
        command.environment.merge(run.pipeline.environment) { $1 }
        command.environment.merge([
            "LISTEN": addresses["timelines"], "X_CA_FILE": run.x.caFile, "X_LOGIN_URL": run.x.url,
            "X_CLIENT_ID": XSimulator.clientID, "TIMELINE_KEY_FILE": folder.path + "/timelines.key",
            "TIMELINE_CALLS": "1", "TIMELINE_INTERVAL": "3s", "TIMELINE_MAX_INTERVAL": "3s",
            "JOURNAL_DIR": folder.path + "/timelines",
        ]) { $1 }
        command.output = .file(folder.path + "/timelines.log")
        poller = try ChildProcess(command)
    }

    func killPoller() {
        poller?.kill()
        poller = nil
    }

    /// Freezes PostgreSQL as SIGSTOP does, or resumes it.
    func setPostgresFrozen(_ isFrozen: Bool) throws {
        for pid in try processes(of: run.pipeline.postgres) { kill(pid, isFrozen ? SIGSTOP : SIGCONT) }
    }

    /// Another program that writes 4 MB a second to the journal's disk; the file is deleted when it is stopped.
    func setDiskFilling(_ isFilling: Bool) throws {
        writer?.kill()
        writer = nil
        let file = disk.path + "/ballast"
        guard isFilling else { return try FileManager.default.removeItem(atPath: file) }
        let loop = "while sleep 1; do head -c 4M /dev/zero; done > \"$1\""
        writer = try ChildProcess(ChildCommand("/bin/sh", ["-c", loop, "sh", file]))
    }

    /// The end of a log.
    var logs: Comment {
        let timelines = (try? readTextFile(folder.path + "/timelines.log")) ?? ""
        return "\(run.logs)\n\(timelines.suffix(3000))"
    }
}

extension Calendar {
    fileprivate static var utc: Calendar {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        return calendar
    }
}
