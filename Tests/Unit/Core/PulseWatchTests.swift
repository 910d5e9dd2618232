import Testing

@testable import Core

/// When loops count as silent.
@Suite(.timeLimit(.minutes(5))) struct PulseWatchTests {
    private let hearts = [Heartbeat(), Heartbeat()]
    private let start = ContinuousClock.now

    private func watch() -> PulseWatch {
        for heart in hearts { heart.beat() }
        return PulseWatch(
            [("one", hearts[0], .zero), ("slow", hearts[1], .seconds(30))], watchdog: .seconds(8))
    }

    @Test func eachLoopHasItsBound() {
        var watch = watch()
        #expect(watch.interval == .seconds(2))
        var told: [String: Int] = [:]
        for second in stride(from: 2, through: 40, by: 2) {
            let (all, new) = watch.silent(now: start + .seconds(second)) { _ in false }
            for name in new { told[name] = second }
            if second > 12 { #expect(all.contains("one")) }
        }
        #expect((9...12).contains(told["one"] ?? 0))
        #expect((31...34).contains(told["slow"] ?? 0))
    }

    @Test func aSignOfLifeOrTheEndIsEnough() {
        var watch = watch()
        for second in stride(from: 2, through: 60, by: 2) {
            if second % 6 == 0 { hearts[0].beat() }
            #expect(watch.silent(now: start + .seconds(second)) { $0 == 1 }.all == [])
        }
        for second in stride(from: 62, through: 80, by: 2) {
            _ = watch.silent(now: start + .seconds(second)) { $0 == 1 }
        }
        #expect(watch.silent(now: start + .seconds(82)) { $0 == 1 }.all == ["one"])
        hearts[0].beat()
        #expect(watch.silent(now: start + .seconds(84)) { $0 == 1 }.all == [], "it may come back")
    }

    @Test func whatHasNotBegunIsNotSilent() {
        var watch = PulseWatch([("helper", hearts[0], .zero)], watchdog: .seconds(8))
        for second in stride(from: 2, through: 60, by: 2) {
            #expect(watch.silent(now: start + .seconds(second)) { _ in false }.all == [])
        }
    }

    @Test func aProcessThatStoodStillHasNoSilentLoops() {
        var watch = watch()
        #expect(watch.silent(now: start + .seconds(600)) { _ in false }.all == [])
        #expect(watch.silent(now: start + .seconds(602)) { _ in false }.all == [])
    }

    @Test func onlyTheLoopOnThisThreadBeats() {
        Heartbeat.beat()
        Heartbeat.$current.withValue(hearts[0]) {
            Heartbeat.beat()
            // A wait is what beats; how long it lasts does not matter.
            #expect(Stop().wait(for: .milliseconds(1)) == false)
        }
        Heartbeat.beat()
        #expect(hearts[0].beats >= 2)
        #expect(hearts[1].beats == 0)
    }
}
