import TestSupport
import Testing

@testable import Core
@testable import TweetProducer
@testable import XAPI

@Suite(.timeLimit(.minutes(5))) struct XBackoffTests {
    @Test func networkFailuresClimbByAQuarterSecondUpToSixteen() {
        var backoff = ReconnectLadders()
        let waits = (0..<80).map { _ in backoff.delay(for: .network, random: 0) }
        #expect(waits.prefix(4) == [.milliseconds(250), .milliseconds(500), .milliseconds(750), .seconds(1)])
        #expect(waits[63] == .seconds(16))
        #expect(waits[79] == .seconds(16))
    }

    @Test func theFirstAttemptAfterAnEstablishedConnectionIsAtOnce() {
        var backoff = ReconnectLadders()
        #expect(backoff.delay(for: .network, wasEstablished: true, random: 1) == .zero)
        #expect(backoff.delay(for: .network, random: 0) == .milliseconds(250))
        #expect(backoff.delay(for: .network, random: 0) == .milliseconds(500))
    }

    @Test func httpErrorsDoubleFromFiveSeconds() {
        var backoff = ReconnectLadders()
        let waits = (0..<9).map { _ in backoff.delay(for: .http, random: 0) }
        #expect(waits == [5, 10, 20, 40, 80, 160, 320, 320, 320].map { .seconds($0) })
    }

    @Test func rateLimitsDoubleFromAMinuteUpToTheWindow() {
        var backoff = ReconnectLadders()
        let waits = (0..<6).map { _ in backoff.delay(for: .rateLimit(reset: nil), random: 0) }
        #expect(waits == [60, 120, 240, 480, 900, 900].map { .seconds($0) })
    }

    @Test func aKnownResetIsWaitedForAndNotMuchLonger() {
        for random in [0, 0.5, 1] {
            var backoff = ReconnectLadders(scale: 0.001)
            let wait = backoff.delay(for: .rateLimit(reset: .seconds(40)), random: random)
            #expect(wait > .seconds(40) && wait < .seconds(42))
        }
        var backoff = ReconnectLadders()
        #expect(backoff.delay(for: .rateLimit(reset: .seconds(99_999)), random: 0) < .seconds(902))
        #expect(backoff.delay(for: .rateLimit(reset: .seconds(-5)), random: 0) == .seconds(120))
    }

    @Test func jitterOnlyAddsUpToAQuarter() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<1000 {
            var backoff = ReconnectLadders()
            let wait = backoff.delay(for: .http, random: .random(in: 0...1, using: &random))
            #expect(wait >= .seconds(5) && wait <= .milliseconds(6250))
        }
    }

    @Test func onlyAProvedConnectionStartsTheLaddersAgain() {
        var backoff = ReconnectLadders()
        for _ in 0..<3 { _ = backoff.delay(for: .http, random: 0) }
        backoff.connectionEnded(lifetime: .seconds(59), delivered: true)
        backoff.connectionEnded(lifetime: .seconds(3600), delivered: false)
        #expect(backoff.delay(for: .http, random: 0) == .seconds(40))
        backoff.connectionEnded(lifetime: .seconds(60), delivered: true)
        #expect(backoff.delay(for: .http, random: 0) == .seconds(5))
    }

    @Test func aFlappingStreamSlowsDown() {
        var backoff = ReconnectLadders()
        var total = Duration.zero
        for _ in 0..<200 {
            total += backoff.delay(for: .network, wasEstablished: true, random: 0)
            backoff.connectionEnded(lifetime: .milliseconds(10), delivered: true)
        }
        #expect(total > .seconds(2600))
    }

    @Test func theScaleShortensEveryLadder() {
        var backoff = ReconnectLadders(scale: 0.01)
        #expect(backoff.delay(for: .http, random: 0) == .milliseconds(50))
        #expect(backoff.delay(for: .noRules, random: 0) == .milliseconds(300))
        #expect(backoff.delay(for: .account, random: 0) == .seconds(6))
    }
}

@Suite(.timeLimit(.minutes(5))) struct XConnectBudgetTests {
    @Test func noWindowEverHoldsMoreThanTheLimit() {
        var random = SplitMix64(seed: 40)
        var budget = ConnectWindow(limit: 40)
        var now = Timestamp(milliseconds: 1_700_000_000_000)
        var attempts: [Timestamp] = []
        for _ in 0..<2000 {
            now = now.advanced(by: .milliseconds(.random(in: 0...20_000, using: &random)))
            now = now.advanced(by: budget.delay(at: now))
            #expect(budget.delay(at: now) == .zero)
            budget.recordAttempt(at: now)
            attempts.append(now)
        }
        for index in attempts.indices.dropFirst(40) {
            #expect(attempts[index].milliseconds - attempts[index - 40].milliseconds > 15 * 60 * 1000)
        }
        #expect(budget.attempts.count <= 41)
    }

    @Test func survivesARestartAndAClockSetBack() {
        let now = Timestamp(milliseconds: 1_700_000_000_000)
        var budget = ConnectWindow(limit: 3)
        for _ in 0..<3 { budget.recordAttempt(at: now) }
        let restarted = ConnectWindow(limit: 3, attempts: budget.attempts)
        #expect(restarted == budget)
        let earlier = now.advanced(by: .seconds(-7200))
        #expect(restarted.delay(at: earlier) > .seconds(890))
        #expect(restarted.delay(at: earlier) < .seconds(901))
        #expect(restarted.delay(at: now.advanced(by: .seconds(901))) == .zero)
    }
}
