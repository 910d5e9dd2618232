import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import TweetFormat
@testable import TweetProducer
@testable import XAPI

/// Gaps of a running stream, measured and filled while it goes on.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XStreamGapTests {
    @Test func aShortGapIsBackfilledByTheNextConnection() async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 200
        configuration.losesWhileAway = true
        let simulator = XSimulator(configuration)
        simulator.addRules([("cats", "c")])
        try await simulator.start()
        simulator.inject(Fault(.close, after: 50))
        var settings = StreamSettings.test(
            simulator.url, token: .value(Secret(simulator.bearerToken)), connectTimeout: .seconds(60))
        settings.plan = .enterprise
        let run = try StreamRun(settings)
        #expect(run.log.wait { $0.message == "backfill has filled a gap" })
        _ = run.finish()
        let events = try run.events()
        #expect(events.map(\.type) == [.connected, .disconnected, .connected, .repaired, .disconnected])
        let repaired = events[3]
        let seqs = try run.journal().enumerated().filter { $0.element.event?.type == .disconnected }.map {
            $0.offset + 1
        }
        #expect(repaired.seq == Int64(seqs[0]) && repaired.exact == true && repaired.cause == "backfill")
        #expect(repaired.connection == events[2].connection)
        #expect(simulator.connections.map { $0.query.contains("backfill_minutes=1") } == [false, true])
        await simulator.stop()
    }

    @Test func anAccountWithoutBackfillGoesOnWithout() throws {
        let server = try ScriptedServer { connection in
            if connection.head.contains("backfill_minutes") {
                return connection.answer(400, #"{"title":"Invalid Request","detail":"no backfill"}"#)
            }
            connection.sendStreamHead()
            connection.send("{\"data\":{\"id\":\"1\"}}\r\n")
            if connection.index > 0 { connection.waitForPeer() }
        }
        defer { server.close() }
        var settings = StreamSettings.test(server.url)
        settings.plan = .enterprise
        let run = try StreamRun(settings)
        #expect(server.waitForRequests(3))
        #expect(run.waitForLines(6))
        _ = run.finish()
        #expect(server.requests.map { $0.head.contains("backfill_minutes") } == [false, true, false])
        #expect(try run.events().compactMap(\.cause) == ["closed", "backfill_refused", "stop"])
    }

    @Test func whatARepairFindsIsJournalledWhileTheReaderReads() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.send("{\"data\":{\"id\":\"1\"}}\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(run.waitForLines(2))
        let beside = try #require(try run.beside())
        var event = PipelineEvent(.repaired, connection: 5, cause: "search")
        event.seq = 1
        let line = Array("{\"data\":{\"id\":\"2\"}}".utf8)
        #expect(beside.deliver(JournalChunk(lines: [line], connection: 5, events: [event])) == .durable)
        _ = run.finish()
        let journal = try run.journal()
        #expect(journal.map { $0.event?.type } == [.connected, nil, nil, .repaired, .disconnected])
        #expect(journal[2].connection == 5 && journal[3].connection == journal[0].connection)
        #expect(beside.deliver(JournalChunk()) == .failed)
    }
}
