import Core
import FoundationEssentials

/// The script of `sandbox demo --timelines`: home timelines of some users, which two pollers read while things are being killed.
struct TimelineDemo {
    private let settings: DemoCommand
    private let stop: Stop
    private let screen = Screen()

    private static let users: ClosedRange<Int64> = 1...12
    /// Whose token the application deletes in the middle, and whom it removes.
    private static let (leaving, removed): (Int64, Int64) = (11, 12)

    init(_ settings: DemoCommand, stop: Stop) { (self.settings, self.stop) = (settings, stop) }

    func run() throws {
        do { try perform() } catch is Demo.Interrupted {
            screen.print("demo: failed: interrupted")
            throw Failure(.tryAgain, "the demo was interrupted")
        } catch let failure as Failure {
            screen.print("demo: failed: \(failure.description.split(separator: "\n").first ?? "")")
            throw failure
        }
    }

    private func perform() throws {
        screen.say("starting Kafka (mock cluster, own process) and PostgreSQL (throw-away cluster)")
        let pipeline = try LocalPipeline(XSimulator.Configuration())
        defer { pipeline.stop() }
        try pause(.zero)
        try blocking { try await pipeline.start() }
        let pollers = try TimelinePollers(pipeline)
        defer { pollers.kill() }
        do {
            try logIn(pipeline)
            try pipeline.start(.loader)
            for poller in TimelinePollers.names { try pollers.start(poller) }
            screen.say("tweet-loader and two tweet-timelines run")
            try awaitFirstWalks(pipeline)
            try disturb(pipeline, pollers)
            try finish(pipeline, pollers)
        } catch {
            if !(error is Demo.Interrupted) { screen.print(pollers.log) }
            throw error
        }
        try blocking { await pipeline.simulator.stop() }
    }

    /// Users log in, and an application adds their tokens by SQL.
    private func logIn(_ pipeline: LocalPipeline) throws {
        let x = pipeline.simulator
        for user in Self.users {
            x.setUser(user) { ($0.callLimit, $0.depth) = (1_000_000, 10_000) }
            let pair = x.logIn(user)
            _ = try pipeline.query(
                "SELECT add_x_token(\(user), '\(pair.access)', '\(pair.refresh)', now() + interval '2 hours')")
            x.post(50, to: user, age: .seconds(3600))
        }
        screen.say("\(Self.users.count) users have logged in; SELECT add_x_token(…) for each of them")
    }

    /// The first walk of a timeline reads its newest posts alone, and would not reach those that are there now.
    private func awaitFirstWalks(_ pipeline: LocalPipeline) throws {
        let ended = "SELECT count(*) FROM timelines WHERE complete_to IS NOT NULL"
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline, try pipeline.query(ended) != "\(Self.users.count)" {
            try pause(.milliseconds(100))
        }
    }

    private func disturb(_ pipeline: LocalPipeline, _ pollers: TimelinePollers) throws {
        let x = pipeline.simulator
        let second = Duration.seconds(settings.seconds) / 16
        try post(pipeline, for: second * 2)
        screen.say("! 900 posts on one timeline at once, and SIGKILL to a poller in the middle of reading them")
        x.setUserDelay(.milliseconds(50))
        x.post(900, to: 1, age: .seconds(20))
        try post(pipeline, for: second)
        pollers.kill("a")
        try post(pipeline, for: second * 2)
        try pollers.start("a")
        screen.say("! all access tokens expire")
        x.expireTokens()
        try post(pipeline, for: second * 2)
        screen.say("! PostgreSQL stops")
        pipeline.postgres.stop(.immediate)
        try post(pipeline, for: second * 2)
        try pipeline.postgres.start()
        screen.say("  PostgreSQL runs again")
        try post(pipeline, for: second * 2)
        screen.say("- DELETE FROM x_tokens WHERE user_id = \(Self.leaving); SELECT remove_x_account(\(Self.removed))")
        _ = try pipeline.query("DELETE FROM x_tokens WHERE user_id = \(Self.leaving)")
        _ = try pipeline.query("SELECT remove_x_account(\(Self.removed))")
        try post(pipeline, for: second * 3)
    }

    /// A few posts a second, some late, some on several timelines.
    private func post(_ pipeline: LocalPipeline, for time: Duration) throws {
        let x = pipeline.simulator
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end {
            let user = Int64.random(in: Self.users)
            let ids = x.post(Int.random(in: 1...4), to: user, age: .seconds(1))
            x.share(ids, of: user, with: Int64.random(in: Self.users))
            x.post(1, to: Int64.random(in: Self.users), age: .seconds(8), late: .milliseconds(500))
            screen.show(pipeline.progress())
            try pause(.milliseconds(200))
        }
    }

    private func pause(_ time: Duration) throws {
        if stop.wait(for: time) { throw Demo.Interrupted() }
    }

    // MARK: The end

    private func finish(_ pipeline: LocalPipeline, _ pollers: TimelinePollers) throws {
        screen.say("X has nothing more; waiting until everything is in PostgreSQL")
        let deadline = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < deadline, try !missing(pipeline).isEmpty {
            screen.show(pipeline.progress())
            try pause(.milliseconds(500))
        }
        screen.print("\n" + (try pollers.run(["status"])))
        screen.print(try pipeline.postgres.table("SELECT created_at, username, text FROM home_timeline(1) LIMIT 3"))
        let (missing, stored) = (try missing(pipeline), try entries(pipeline))
        let strangers = Self.users.reduce(0) {
            $0 + (stored[$1] ?? []).subtracting(pipeline.simulator.offered(to: $1)).count
        }
        let rest = try pipeline.query(
            """
            SELECT (SELECT count(*) FROM timeline_gaps) + (SELECT count(*) FROM x_tokens WHERE user_id >= \(Self.leaving))
                + (SELECT count(*) FROM timeline_entries WHERE user_id = \(Self.removed))
            """)
        let charged = pipeline.simulator.userRecord.charged.count
        let counts =
            "users=\(Self.users.count) entries=\(stored.values.reduce(0) { $0 + $1.count }) charged=\(charged) "
            + "missing=\(missing.count) never_offered=\(strangers)"
        guard missing.isEmpty, strangers == 0, rest == "0", pipeline.simulator.userRecord.overlapping == 0 else {
            throw Failure(.badData, counts)
        }
        screen.print("demo: ok \(counts)")
    }

    /// What was offered to those who stay, and is not in their timelines.
    private func missing(_ pipeline: LocalPipeline) throws -> [Int64] {
        let stored = try entries(pipeline)
        return Self.users.filter { $0 < Self.leaving }.flatMap { user in
            pipeline.simulator.offered(to: user).subtracting(stored[user] ?? [])
        }
    }

    private func entries(_ pipeline: LocalPipeline) throws(Failure) -> [Int64: Set<Int64>] {
        var entries: [Int64: Set<Int64>] = [:]
        for row in try pipeline.query("SELECT user_id, tweet_id FROM timeline_entries").split(separator: "\n") {
            let columns = row.split(separator: "|").compactMap { Int64($0) }
            if columns.count == 2 { entries[columns[0], default: []].insert(columns[1]) }
        }
        return entries
    }
}
