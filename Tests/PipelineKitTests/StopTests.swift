import Foundation
import Synchronization
import TestSupport
import Testing

@testable import PipelineKit

@Suite(.timeLimit(.minutes(4))) struct StopTests {
    /// Lets two threads begin each round together, until one of them gives up.
    private final class Rounds: Sendable {
        private let arrivals = Atomic(0)
        private let isOver = Atomic(false)

        func meet(_ round: Int) {
            arrivals.add(1, ordering: .acquiringAndReleasing)
            while arrivals.load(ordering: .acquiring) < 2 * (round + 1), !isOver.load(ordering: .acquiring) {
                sched_yield()
            }
        }

        func giveUp() { isOver.store(true, ordering: .releasing) }
    }

    /// Who registers while the stop is being raised is woken, every time.
    @Test func aWakeUpIsNeverLost() {
        let stops = (0..<100_000).map { _ in Stop() }
        let rounds = Rounds()
        let raiser = JoinableThread(name: "raiser") {
            for (round, stop) in stops.enumerated() {
                rounds.meet(round)
                stop.raise()
            }
        }
        var lost: Int?
        for (round, stop) in stops.enumerated() {
            let woken = Box()
            rounds.meet(round)
            let registration = stop.onRaise { woken.flag.store(true, ordering: .releasing) }
            let deadline = ContinuousClock.now + .seconds(5)
            while !woken.flag.load(ordering: .acquiring), ContinuousClock.now < deadline { sched_yield() }
            registration.end()
            guard woken.flag.load(ordering: .acquiring) else {
                lost = round
                break
            }
        }
        rounds.giveUp()
        raiser.join()
        #expect(lost == nil)
    }

    private final class Box: Sendable {
        let flag = Atomic(false)
    }

    @Test func aRegistrationThatEndsIsGone() {
        let stop = Stop()
        let calls = Box()
        var kept: Registration? = stop.onRaise { calls.flag.store(true, ordering: .relaxed) }
        #expect(stop.registrations == 1)
        kept?.end()
        kept?.end()
        #expect(stop.registrations == 0)
        kept = stop.onRaise { calls.flag.store(true, ordering: .relaxed) }
        kept = nil
        #expect(stop.registrations == 0 && kept == nil)
        stop.raise()
        let wasCalled = calls.flag.load(ordering: .relaxed)
        #expect(!wasCalled)
    }

    /// A stream that runs again and again, as after every outage of the disk, leaves nothing behind.
    @Test func runsOfAStreamLeaveNoRegistration() throws {
        let folder = try TemporaryFolder()
        let journal = try Journal.open(folder: folder.path, stream: "default")
        let stop = Stop()
        for _ in 0..<3 {
            let stream = try FilteredStream(
                settings: .test("http://127.0.0.1:1"), stop: stop, logger: LogRecorder().logger)
            #expect(stop.registrations == 1)
            let ender = JoinableThread(name: "ender") {
                Thread.sleep(forTimeInterval: 0.05)
                stop.raise()
            }
            for _ in 0..<2 { try stream.run(into: journal) }
            ender.join()
            #expect(journal.source.tail.registrations == 0)
        }
        #expect(stop.registrations == 0)
    }
}
