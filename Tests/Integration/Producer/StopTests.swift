import Foundation
import Synchronization
import TestSupport
import Testing
import XAPI

@testable import Core
@testable import Journal
@testable import TweetProducer

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct StopTests {
    private final class Counter: Sendable {
        private let number = Atomic(0)

        var value: Int { number.load(ordering: .acquiring) }

        func add() { number.add(1, ordering: .acquiringAndReleasing) }
    }

    /// Who registers while the stop is being raised is woken, every time.
    ///
    /// More threads than processors register without a pause until they see that the stop is raised, so the one that raises it
    /// is held up at every place, also between two of its steps.
    @Test func aWakeUpIsNeverLost() {
        let registrars = 4
        let lost = Counter()
        for _ in 0..<300 where lost.value == 0 {
            let stop = Stop()
            let ended = Counter()
            for _ in 0..<registrars {
                Thread.detachNewThread {
                    Self.register(with: stop, lost)
                    ended.add()
                }
            }
            while stop.registrations < registrars { sched_yield() }
            stop.raise()
            #expect(eventually { ended.value == registrars })
        }
        #expect(lost.value == 0)
    }

    /// Registers until the stop is raised, and then waits for every call.
    private static func register(with stop: Stop, _ lost: Counter) {
        var registered: [(woken: Box, registration: Registration)] = []
        while !stop.isRaised {
            let woken = Box()
            registered.append((woken, stop.onRaise { woken.flag.store(true, ordering: .releasing) }))
        }
        let deadline = ContinuousClock.now + .seconds(20)
        for (woken, _) in registered {
            while !woken.flag.load(ordering: .acquiring), ContinuousClock.now < deadline { sched_yield() }
            if !woken.flag.load(ordering: .acquiring) { lost.add() }
        }
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
        let (stop, log) = (Stop(), LogRecorder())
        // A credential of its own: address and token name the lock of the host.
        let token = BearerToken.value(Secret(folder.path))
        for _ in 0..<3 {
            let stream = try FilteredStream(
                settings: .test("http://127.0.0.1:1", token: token), stop: stop, logger: log.logger)
            #expect(stop.registrations == 1)
            let ender = JoinableThread(name: "ender") {
                // Between two attempts to connect, so that everything is registered.
                #expect(log.wait { $0.metadata["next_attempt_in"] != nil })
                stop.raise()
            }
            for _ in 0..<2 { try stream.run(into: journal) }
            ender.join()
            #expect(journal.source.tail.registrations == 1, "the writer's own")
        }
        #expect(stop.registrations == 0)
    }
}
