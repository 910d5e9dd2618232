import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import LogShipping

/// What becomes of events at the end of a process, and at the next start.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct EndOfShippingTests {
    @Test func theEndSendsWhatIsLeftWithTheLastWordFirst() throws {
        let gate = Gate()
        let receiver = try LogReceiver { connection in
            if connection.index == 0 { gate.pass() }
            return (200, "", "")
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) { $0.limits.linger = .seconds(60) }
        run.log(1...1)
        #expect(receiver.server.waitForRequests(1))
        run.log(2...50)
        gate.open()
        run.end(lastWord: #"{"service":"test","level":"critical","message":"the last word"}"#)
        #expect(receiver.numbers == Array(1...50))
        #expect(receiver.events.map(\.message).firstIndex(of: "the last word") == 1)
        #expect(run.dropped(.ended) == 0)
    }

    @Test("a receiver that hangs holds the end up for no longer than LOG_HTTP_DRAIN")
    func theEndIsBounded() throws {
        let receiver = try LogReceiver { connection in
            connection.waitForPeer()
            return nil
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) {
            $0.drain = .seconds(1)
            $0.timeout = .seconds(80)
        }
        run.log(1...20)
        #expect(receiver.server.waitForRequests(1))
        let begin = ContinuousClock.now
        run.end()
        // Far below the time-out of a request, on a busy machine, too.
        #expect(begin.duration(to: .now) < .seconds(40))
        #expect(run.dropped(.ended) == 20)
    }

    @Test func aSecondSignalEndsAtOnce() throws {
        let receiver = try LogReceiver { connection in
            connection.waitForPeer()
            return nil
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) {
            $0.drain = .seconds(80)
            $0.timeout = .seconds(80)
        }
        run.log(1...1)
        #expect(receiver.server.waitForRequests(1))
        let begin = ContinuousClock.now
        run.end(isHurried: true)
        #expect(begin.duration(to: .now) < .seconds(40))
    }

    @Test("what a receiver that is down at the end does not get, it gets from the next start, in order and once")
    func theNextStartShipsTheSpool() throws {
        let folder = try TemporaryFolder()
        let spool = folder.path + "/spool"
        do {
            let run = try ShipperRun(LogReceiver.nowhere, spool: spool)
            run.log(1...100)
            run.end(lastWord: #"{"service":"test","level":"critical","message":"the last word","n":101}"#)
            #expect(run.shipped == 0 && run.dropped(.ended) == 0)
        }
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        do {
            let run = try ShipperRun(receiver.url, spool: spool)
            run.log(102...150)
            #expect(eventually { receiver.numbers.count == 150 })
            run.end()
        }
        #expect(receiver.numbers == Array(1...150))
        let run = try ShipperRun(receiver.url, spool: spool)
        run.log(151...151)
        #expect(eventually { receiver.numbers.count >= 151 })
        run.end()
        #expect(receiver.numbers == Array(1...151))
    }

    @Test("a spool whose disk is full costs events that are counted, and holds nobody up")
    func aFullDiskIsCounted() throws {
        let folder = try TemporaryFolder()
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url, spool: folder.path + "/spool")
        run.log(1...10)
        #expect(eventually { receiver.numbers.count == 10 })
        let (exit, _) = try ChildProcess.run(
            ChildCommand("/bin/sh", ["-c", "rm -r '\(folder.path)/spool' && touch '\(folder.path)/spool'"]))
        #expect(exit == .status(0))
        // The open file of the spool still accepts events; the next file has no folder.
        run.log(11...20_000, padding: 200)
        #expect(run.dropped(.disk) > 0)
        #expect(eventually { receiver.announced >= run.dropped(.disk) })
        run.end()
    }
}
