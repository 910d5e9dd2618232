import Core
import FoundationEssentials
import Glibc

/// The demo's script, top to bottom.
struct Demo {
    private let settings: DemoCommand
    private let feed: FeedSource
    private let stop: Stop
    private let screen = Screen()

    /// Ctrl-C or SIGTERM: what is running is ended, and nothing more is said.
    struct Interrupted: Error {}

    init(_ settings: DemoCommand, feed: FeedSource, stop: Stop) {
        self.settings = settings
        self.feed = feed
        self.stop = stop
    }

    func run() throws {
        do { try perform() } catch is Interrupted {
            screen.print("demo: failed: interrupted")
            throw Failure(.tryAgain, "the demo was interrupted")
        } catch let failure as Failure {
            screen.print("demo: failed: \(failure.description.split(separator: "\n").first ?? "")")
            throw failure
        }
    }

    private func perform() throws {
        let pipeline = try start()
        defer { pipeline.stop() }
        do {
            try disturb(pipeline)
            try waitUntilQuiet(pipeline)
            try finish(pipeline)
        } catch {
            if !(error is Interrupted) { showLogs(pipeline) }
            throw error
        }
        try blocking { await pipeline.simulator.stop() }
    }

    // MARK: The beginning

    private func start() throws -> LocalPipeline {
        screen.say("starting Kafka (mock cluster, own process) and PostgreSQL (throw-away cluster)")
        let pipeline = try LocalPipeline(configuration)
        try pause(.zero)
        try blocking { try await pipeline.start() }
        screen.say("X \(pipeline.simulator.url)  Kafka \(pipeline.bootstrapServers)  \(pipeline.postgres.url())")
        for (value, tag) in Self.rules {
            try pipeline.run(.producer, ["rules", "add", value, "--tag", tag])
            try pause(.zero)
        }
        screen.say("tables migrated, \(Self.rules.count) rules added; starting tweet-loader")
        try pipeline.start(.loader)
        if SupervisedStreams.isInstalled {
            try supervise(pipeline)
        } else {
            screen.say("without the act under supervisord, which is not installed (Debian: supervisor)")
        }
        screen.say("starting a tweet-producer for each stream")
        try pipeline.start(.producer)
        try pipeline.start(.sample)
        return pipeline
    }

    // MARK: Under supervisord

    /// Two streams as a file declares them; a filter is added while they run.
    private func supervise(_ pipeline: LocalPipeline) throws {
        screen.say("supervisord starts; streams apply: two streams, the filtered one and a sample")
        let streams = try SupervisedStreams(pipeline)
        defer { streams.stop() }
        screen.print(try streams.run(["apply", "--yes"]))
        let deadline = ContinuousClock.now + .seconds(30)
        while !streams.isConnected {
            guard ContinuousClock.now < deadline else { throw Failure(.unavailable, "the streams do not connect") }
            try watch(pipeline, for: .milliseconds(200))
        }
        let processes = streams.connected
        try watch(pipeline, for: .seconds(1))
        try addFilter(pipeline)
        try watch(pipeline, for: .seconds(1))
        screen.print(try streams.run(["status"]))
        guard streams.connected == processes else {
            throw Failure(.badData, "a stream was restarted when a filter was added")
        }
        screen.say("no stream was restarted; supervisord stops, and both publish what they have")
    }

    /// How long the act takes while X sends, about.
    private static var supervisedSeconds: Int { SupervisedStreams.isInstalled ? 5 : 0 }

    private static let rules = [
        ("coffee café kaffee кофе コーヒー", "coffee"), ("cats gato 猫 แมว 고양이", "cats"),
        ("football fútbol futebol", "football"), ("#swift #kafka #postgres", "craft"),
    ]

    /// A filter becomes rules at X while both streams are read; nothing is started again.
    private func addFilter(_ pipeline: LocalPipeline) throws {
        screen.say("+ rules apply: a filter is added, \(Self.filterWords)")
        let file = URL(filePath: pipeline.rulesFile)
        do { try Data("- filter: leisure\n  words: [\(Self.filterWords)]\n".utf8).write(to: file) } catch {
            throw Failure(.disk, "\(error)")
        }
        // With a prefix the rules from above are not the file's.
        try pipeline.run(.producer, ["rules", "apply", "--yes", "--prefix", "demo/", pipeline.rulesFile])
    }

    private static let filterWords = "album, concert, breakfast"

    private var configuration: XSimulator.Configuration {
        var configuration = XSimulator.Configuration()
        configuration.feed = feed
        if case .lines(let lines) = feed {
            // All lines within three quarters of the time, so that every fault finds a stream to hit.
            let seconds = Double(settings.seconds) * 0.75 + Double(Self.supervisedSeconds)
            configuration.rate = max(2, Double(lines.count) / seconds)
        } else {
            configuration.rate = 250
        }
        configuration.redelivery = .seconds(5)
        return configuration
    }

    // MARK: The middle

    private func disturb(_ pipeline: LocalPipeline) throws {
        let second = Duration.seconds(settings.seconds) / 20
        try watch(pipeline, for: second * 3)
        if !SupervisedStreams.isInstalled { try addFilter(pipeline) }
        try watch(pipeline, for: second * 2)
        screen.say("✂ X closes a stream")
        pipeline.simulator.inject(Fault(.close))
        try watch(pipeline, for: second * 2)
        try kill(pipeline, second)
        screen.say("■ PostgreSQL stops")
        pipeline.postgres.stop(.immediate)
        try watch(pipeline, for: second * 3)
        screen.say("  PostgreSQL starts again")
        try pipeline.postgres.start()
        try watch(pipeline, for: second * 2)
        screen.say("✂ X resets a stream in the middle of a line")
        pipeline.simulator.inject(Fault(.reset))
        try watch(pipeline, for: second * 2)
        if case .generator = feed { pipeline.simulator.stopFeed() }
    }

    private func kill(_ pipeline: LocalPipeline, _ second: Duration) throws {
        screen.say("✝ SIGKILL to tweet-producer")
        pipeline.kill(.producer)
        try watch(pipeline, for: second)
        screen.say("  tweet-producer starts again")
        try pipeline.start(.producer)
        try watch(pipeline, for: second * 2)
        screen.say("✝ SIGKILL to tweet-loader")
        pipeline.kill(.loader)
        try watch(pipeline, for: second)
        screen.say("  tweet-loader starts again")
        try pipeline.start(.loader)
        try watch(pipeline, for: second * 2)
    }

    private func waitUntilQuiet(_ pipeline: LocalPipeline) throws {
        screen.say("X has nothing more; waiting until everything is in PostgreSQL")
        let deadline = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < deadline {
            try watch(pipeline, for: .milliseconds(300))
            guard pipeline.simulator.isDrained, let outcome = try? pipeline.outcome() else { continue }
            if outcome.verdict.isClean, pipeline.progress().lag == 0 { return }
        }
        screen.say("not quiet after 90 s")
    }

    /// Shows the counts for a while, and sees to it that the services live.
    private func watch(_ pipeline: LocalPipeline, for duration: Duration) throws {
        let end = ContinuousClock.now + duration
        repeat {
            for service in LocalPipeline.Service.allCases {
                if let exit = pipeline.exit(of: service) {
                    throw Failure(.unavailable, "\(service.rawValue) ended by itself: \(exit)")
                }
            }
            screen.show(pipeline.progress())
            try pause(min(.milliseconds(200), max(.zero, ContinuousClock.now.duration(to: end))))
        } while ContinuousClock.now < end
    }

    private func pause(_ duration: Duration) throws {
        if stop.wait(for: duration) { throw Interrupted() }
    }

    // MARK: The end

    private func finish(_ pipeline: LocalPipeline) throws {
        var faults: [String] = []
        do { try pipeline.run(.loader, ["verify"]) } catch { faults.append("tweet-loader verify: \(error)") }
        for service in LocalPipeline.Service.allCases {
            let exit = pipeline.end(service)
            if exit != .status(0) {
                faults.append("\(service.rawValue) did not drain: \(exit.map { "\($0)" } ?? "gone")")
            }
        }
        let outcome = try pipeline.outcome()
        try pause(.zero)
        DemoReport(pipeline).print(to: screen)
        faults += Self.faults(outcome.verdict)
        let counts =
            "received=\(outcome.received) stored=\(outcome.stored) duplicates=\(outcome.duplicates) "
            + "rejected=\(outcome.rejected) missing=\(outcome.verdict.missing.count)"
        guard faults.isEmpty else {
            for fault in faults { screen.print("✗ \(fault)") }
            throw Failure(.badData, counts)
        }
        screen.print("demo: ok \(counts)")
        if settings.keep { keepRunning(pipeline) }
    }

    private static func faults(_ verdict: Verdict) -> [String] {
        [
            ("sent and not in the table", verdict.missing), ("lost and not declared", verdict.undeclared),
            ("twice in the table", verdict.doubled), ("in the table and never sent", verdict.strangers),
        ].compactMap { what, ids in
            ids.isEmpty ? nil : "\(ids.count) ids \(what): \(ids.prefix(5).map(String.init).joined(separator: " "))"
        }
    }

    private func keepRunning(_ pipeline: LocalPipeline) {
        for (name, value) in pipeline.environment.sorted(by: { $0.key < $1.key }) {
            screen.print("export \(name)='\(value)'")
        }
        screen.print("# Ctrl-C ends it")
        stop.wait(for: .seconds(86_400))
    }

    private func showLogs(_ pipeline: LocalPipeline) {
        for service in LocalPipeline.Service.allCases {
            let end = pipeline.log(of: service).split(separator: "\n").suffix(15).joined(separator: "\n")
            screen.print("── the log of \(service.rawValue) ends:\n\(end)")
        }
    }
}
