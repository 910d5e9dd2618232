import Core
import Sandbox
import TestSupport
import Testing
import XAPI

@testable import TweetProducer

/// X's own count of posts, asked of the simulator.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct UsageWatchTests {
    private let metrics = UsageMetrics()
    private let log = LogRecorder()
    private let stop = Stop()

    /// Lets `body` ask a simulator.
    private func withX(_ body: @escaping @Sendable (XSimulator, UsageWatch) throws -> Void) async throws {
        let simulator = XSimulator()
        try await simulator.start()
        simulator.usage.used = 1234
        simulator.usage.cap = 2_000_000
        let watch = UsageWatch(
            XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken))), every: .seconds(3600), metrics,
            stop: stop, logger: log.logger)
        try await blocking { try body(simulator, watch) }
        await simulator.stop()
    }

    private var found: [Double] { [metrics.posts, metrics.cap, metrics.readAt].map(\.value) }

    @Test func whatXAnswersIsStored() async throws {
        let now = Timestamp(milliseconds: 1_800_000_000_000)
        try await withX { simulator, watch in
            var watch = watch
            #expect(found == [0, 0, 0])
            let next = watch.ask(now: now)
            #expect(found == [1234, 2_000_000, 1_800_000_000] && next == .seconds(3600))
            // Days without sums: X does not say.
            simulator.usage.form = .days
            simulator.usage.daily = [5, 6]
            _ = watch.ask(now: now)
            #expect(found == [0, 0, 1_800_000_000])
        }
        #expect(log.lines.isEmpty)
    }

    @Test func anOutageIsLoggedOnceAndAskedLessAndLess() async throws {
        try await withX { simulator, watch in
            var watch = watch
            _ = watch.ask(now: .now())
            let before = found
            simulator.inject(Fault(.refuse, count: 8, bare: true, endpoint: "usage"))
            let waits = (0..<8).map { _ in watch.ask(now: .now()) }
            #expect(waits.prefix(3) == [.seconds(60), .seconds(120), .seconds(240)] && waits.last == .seconds(3600))
            #expect(found == before, "the last answer stays")
            let next = watch.ask(now: .now())
            #expect(next == .seconds(3600))
            simulator.inject(Fault(.refuse, bare: true, endpoint: "usage"))
            _ = watch.ask(now: .now())
        }
        let failed = "cannot read X's own count of posts; retrying"
        #expect(log.lines.map(\.message) == [failed, "X's own count of posts can be read again", failed])
        #expect(log.lines.first?.metadata["reason"]?.contains("GET ") == true)
    }

    @Test func theEndOfARateLimitIsAwaited() async throws {
        try await withX { simulator, watch in
            var watch = watch
            simulator.inject(Fault(.refuse, endpoint: "usage", answer: .rateLimit))
            let wait = watch.ask(now: .now())
            #expect(wait > .seconds(600) && wait <= .seconds(902), "\(wait)")
        }
    }

    @Test func onlyTheActiveProducerAsks() async throws {
        let isActive = Gauge()
        try await withX { simulator, _ in
            let (metrics, stop) = (UsageMetrics(), Stop())
            let x = XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken)))
            let looks = Counter()
            let watching = Background {
                var watch = UsageWatch(
                    x, every: .seconds(3600), metrics, stop: stop, logger: LogRecorder().logger,
                    isActive: {
                        looks.add()
                        return isActive.value == 1
                    })
                watch.run()
            }
            let hasLooked = eventually { looks.value >= 2 }
            #expect(hasLooked && metrics.readAt.value == 0)
            isActive.set(true)
            let hasAsked = eventually { metrics.readAt.value > 0 }
            #expect(hasAsked)
            stop.raise()
            try watching.join()
        }
    }
}
