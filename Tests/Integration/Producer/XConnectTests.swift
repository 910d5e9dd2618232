import Glibc
import Harness
import Sandbox
import Synchronization
import TestSupport
import Testing

@testable import Core
@testable import TweetProducer
@testable import XAPI

/// What outlives a connection and a process: the budget, the lock, and the connections that X still holds.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct XConnectLedgerTests {
    private let start = Timestamp(milliseconds: 1_700_000_000_000)

    private func ledger(_ folder: TemporaryFolder, limit: Int = 3) -> ConnectBudget {
        ConnectBudget(folder: folder.path + "/.x", credential: "c", limit: limit, logger: LogRecorder().logger)
    }

    @Test func attemptsAreCountedOverRestartsAndProcesses() throws {
        let folder = try TemporaryFolder()
        for offset in 0..<3 {
            // Each a process of its own, as far as the file can tell.
            #expect(ledger(folder).takeAttempt(at: start.advanced(by: .seconds(offset))) == .zero)
        }
        let (one, other) = (ledger(folder), ledger(folder))
        let late = start.advanced(by: .seconds(10))
        #expect(one.takeAttempt(at: late) > .seconds(889) && one.takeAttempt(at: late) < .seconds(891))
        let next = start.advanced(by: .milliseconds(900_001))
        #expect(other.takeAttempt(at: next) == .zero)
        #expect(one.takeAttempt(at: next) > .zero)
    }

    @Test func aDamagedOrLockedUpFileStopsNothing() throws {
        let folder = try TemporaryFolder()
        _ = ledger(folder).takeAttempt(at: start)
        try folder.write("{\"attempts\":[17,", to: ".x/connects-c.json")
        #expect(ledger(folder).takeAttempt(at: start) == .zero)

        let log = LogRecorder()
        try folder.write("", to: "file")
        let lost = ConnectBudget(folder: folder.path + "/file", credential: "c", limit: 1, logger: log.logger)
        #expect(lost.takeAttempt(at: start) == .zero)
        #expect(lost.takeAttempt(at: start) > .zero)
        #expect(log.lines.count == 1)
    }

    @Test func theFileTellsNothingOfTheToken() throws {
        let folder = try TemporaryFolder()
        let name = ConnectBudget.name(url: "https://x", token: Secret("AAAAtoken"))
        #expect(name.count == 16)
        #expect(name != ConnectBudget.name(url: "https://x", token: Secret("AAAAtokem")))
        #expect(name != ConnectBudget.name(url: "https://y", token: Secret("AAAAtoken")))
        let ledger = ConnectBudget(folder: folder.path, credential: name, limit: 9, logger: LogRecorder().logger)
        _ = ledger.takeAttempt(at: start)
        let text = try readTextFile(folder.path + "/connects-\(name).json")
        #expect(text.contains("1700000000000") && !text.contains("AAAA"))
    }

    /// A day in which the stream breaks off again and again, is refused in every way, and the process crashes and starts
    /// anew: no 15 minutes ever hold more than 40 attempts, and every wait is its ladder's.
    @Test func aDayOfFlappingStaysWithinTheBudget() throws {
        let folder = try TemporaryFolder()
        var random = SplitMix64(seed: 2)
        var now = start
        var attempts: [Timestamp] = []
        var ledger = ledger(folder, limit: 40)
        var reconnect = Reconnect()
        while now < start.advanced(by: .seconds(86_400)) {
            let wait = ledger.takeAttempt(at: now)
            if wait > .zero {
                now = now.advanced(by: wait)
                continue
            }
            attempts.append(now)
            // Mostly one line and the end; now and then a refusal.
            let isOpened = Int.random(in: 0..<10, using: &random) < 8
            let lifetime = Duration.milliseconds(.random(in: 1...3000, using: &random))
            now = now.advanced(by: lifetime)
            if Int.random(in: 0..<12, using: &random) == 0 {
                (ledger, reconnect) = (self.ledger(folder, limit: 40), Reconnect())
                continue
            }
            now = now.advanced(by: try reconnect.pause(after: isOpened ? lifetime : nil, &random))
        }
        #expect(attempts.count > 1000)
        expectNeverMore(than: 40, attempts)
    }

    /// What one process knows of its attempts.
    private struct Reconnect {
        var policy = ReconnectPolicy(scale: 1)
        var steps: Set<String> = []

        /// The pause after a connection of this lifetime, or after a refusal, which must be that of its ladder.
        mutating func pause(after lifetime: Duration?, _ random: inout SplitMix64) throws -> Duration {
            let ladder =
                lifetime != nil ? .network : Ladder.all[Int.random(in: 0..<Ladder.all.count, using: &random)]
            let jitter = Double.random(in: 0...1, using: &random)
            let decided = policy.delay(for: ladder.reason, lifetime: lifetime, delivered: true, random: jitter)
            let pause = try #require(decided)
            ladder.expect(pause, isFirst: steps.insert(ladder.name).inserted)
            return pause
        }
    }

    private func expectNeverMore(than limit: Int, _ attempts: [Timestamp]) {
        let crowded = attempts.indices.dropFirst(limit).count { index in
            attempts[index].milliseconds - attempts[index - limit].milliseconds <= 15 * 60 * 1000
        }
        #expect(crowded == 0)
    }

    /// A way in which a connection ends, and the waits of its ladder.
    private struct Ladder {
        let name: String
        let reason: RetryReason
        let range: ClosedRange<Duration>

        static let network = Ladder(name: "network", reason: .network, range: .milliseconds(250) ... .seconds(16))
        static let all = [
            network, Ladder(name: "http", reason: .http, range: .seconds(5) ... .seconds(320)),
            Ladder(name: "limit", reason: .rateLimit(reset: nil), range: .seconds(60) ... .seconds(900)),
            Ladder(
                name: "reset", reason: .rateLimit(reset: .seconds(40)), range: .seconds(41) ... .milliseconds(41_250)),
        ]

        /// Checks a wait: up to a quarter longer by chance, unless X has named its end.
        func expect(_ pause: Duration, isFirst: Bool) {
            let longest = range.upperBound * (name == "reset" ? 1 : 1.25)
            #expect(pause <= longest && (pause >= range.lowerBound || (isFirst && name == "network")))
        }
    }
}

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct XCredentialLockTests {
    @Test func theSecondIsToldWhoHoldsIt() throws {
        let folder = try TemporaryFolder()
        do {
            let first = try HostLock(
                folder: folder.path, credential: "c", stream: nil, purpose: "stream a, journal /j/a")
            let failure = try #require(
                throws: XError.self,
                performing: {
                    _ = try HostLock(folder: folder.path, credential: "c", stream: nil, purpose: "stream b")
                })
            #expect(failure.disposition == .retry)
            #expect(failure.description.contains("pid \(getpid()) since ") && failure.description.contains("/j/a"))
            _ = try HostLock(folder: folder.path, credential: "d", stream: nil, purpose: "")
            _ = try HostLock(folder: folder.path, credential: "c", stream: "b", purpose: "")
            _ = consume first
        }
        _ = try HostLock(folder: folder.path, credential: "c", stream: nil, purpose: "again")
        #expect(try JournalFolder.names(folder.path).isEmpty)
    }

    @Test func aFolderThatIsNotThereIsNoReasonToStop() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.waitForPeer()
        }
        defer { server.close() }
        var settings = StreamSettings.test(server.url)
        settings.lockFolder = "/nowhere/at/all"
        let run = try StreamRun(settings)
        #expect(run.log.wait { $0.message == "connected to the stream" })
        #expect(run.log.lines.contains { $0.message.contains("X_LOCK_DIR") })
        _ = run.finish()
    }

    @Test func twoStreamsWithOneCredentialAreOneTooMany() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.waitForPeer()
        }
        defer { server.close() }
        let locks = try TemporaryFolder()
        var settings = StreamSettings.test(server.url)
        settings.lockFolder = locks.path
        let first = try StreamRun(settings)
        #expect(first.log.wait { $0.message == "connected to the stream" })
        settings.stream = "other"
        let failure = try #require(try StreamRun(settings).waitForError() as? XError)
        #expect(failure.disposition == .retry && failure.description.contains("stream default"))
        settings.plan = .enterprise
        let second = try StreamRun(settings)
        #expect(second.log.wait { $0.message == "connected to the stream" })
        _ = (first.finish(), second.finish())
    }
}

@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XStaleConnectionTests {
    private static let tooMany = #"{"title":"ConnectionException","connection_issue":"TooManyConnections"}"#
    private static let listing = "GET /2/connections?status=active&endpoints=filtered_stream"

    @Test func onlyWhatFitsOurOwnRecordIsOurs() {
        func listed(_ id: String, _ second: Int64) -> ListedConnection {
            ListedConnection(id: id, connectedAt: Timestamp(milliseconds: 1_700_000_000_000 + second * 1000))
        }
        let own = OpenedConnection(stream: "s", begun: 1_700_000_100_000, opened: 1_700_000_101_000)
        let others = [listed("before", 90), listed("after", 120), listed("old", -4000)]
        #expect(StaleConnections.ours(among: others, [own], offset: .zero) == [])
        #expect(StaleConnections.ours(among: others + [listed("own", 101)], [own], offset: .zero) == ["own"])
        #expect(StaleConnections.ours(among: others + [listed("own", 101)], [], offset: .zero) == [])
        // X's clock is 20 s ahead.
        #expect(StaleConnections.ours(among: others, [own], offset: .seconds(20)) == ["after"])
        // Two at the same moment: one may be somebody else's.
        #expect(StaleConnections.ours(among: [listed("a", 100), listed("b", 101)], [own], offset: .zero) == [])
    }

    @Test func ourOwnGhostIsClosedAndNobodyElses() throws {
        let ghost = Mutex(Timestamp.now())
        let server = try ScriptedServer { connection in
            if connection.head.hasPrefix(Self.listing) {
                let begun = ghost.withLock { $0 }
                return connection.answer(
                    200,
                    """
                    {"data":[{"id":"theirs","endpoint_name":"filtered_stream","connected_at":"\(begun.advanced(by: .seconds(-3600)))"},
                    {"id":"ours","endpoint_name":"filtered_stream","connected_at":"\(begun)"}]}
                    """)
            }
            if connection.head.hasPrefix("DELETE /2/connections ") {
                return connection.answer(200, #"{"data":{"successful_kills":1,"failed_kills":0}}"#)
            }
            if connection.index == 1 { return connection.answer(429, Self.tooMany) }
            if connection.index == 0 { ghost.withLock { $0 = Timestamp.now() } }
            connection.sendStreamHead()
            connection.send("{\"data\":{\"id\":\"\(connection.index)\"}}\r\n")
            if connection.index > 0 { connection.waitForPeer() }
        }
        defer { server.close() }
        // With the whole ladder of 429 it would take a minute.
        let run = try StreamRun(.test(server.url, backoffScale: 1))
        #expect(run.waitForLines(6))
        _ = run.finish()
        #expect(server.requests.map { $0.head.prefix(4) } == ["GET ", "GET ", "GET ", "DELE", "GET "])
        #expect(server.requests[3].body == #"{"uuids":["ours"]}"#)
        #expect(run.log.lines.contains { $0.message == "closed our own connection, which X still held open" })
    }

    @Test func whatIsNotOursForCertainStays() throws {
        let server = try ScriptedServer { connection in
            if connection.head.hasPrefix(Self.listing) {
                return connection.answer(
                    200, #"{"data":[{"id":"theirs","connected_at":"2020-01-01T00:00:00.000Z"}]}"#)
            }
            if connection.index > 0 { return connection.answer(429, Self.tooMany) }
            connection.sendStreamHead()
            connection.send("\r\n")
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, backoffScale: 0.02))
        #expect(server.waitForRequests(5))
        _ = run.finish()
        #expect(!server.requests.contains { $0.head.hasPrefix("DELETE") })
        #expect(run.log.lines.contains { $0.message.contains("none was closed") })
        let waits = run.log.lines.filter { $0.metadata["cause"] == "too_many_connections" }.compactMap(\.wait)
        #expect(waits.first.map { (1.2...1.51).contains($0) } == true)
    }
}

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct XRuleSyncTests {
    @Test func aStreamWithoutRulesGetsThoseOfTheFile() async throws {
        let simulator = XSimulator()
        try await simulator.start()
        let folder = try TemporaryFolder()
        try folder.write("- value: cats\n  tag: c\n", to: "rules.yaml")
        var settings = StreamSettings.test(
            simulator.url, token: .value(Secret(simulator.bearerToken)), connectTimeout: .seconds(60))
        settings.rules = StreamRules(
            file: folder.path + "/rules.yaml", plan: .selfServe, ownership: RuleOwnership(prefix: "p/"))
        let run = try StreamRun(settings)
        #expect(run.waitForLines(5))
        _ = run.finish()
        #expect(simulator.addRules([]).map(\.tag) == ["p/c"])
        #expect(run.log.count("added the rules that X lacked from the rules file") == 1)
        await simulator.stop()
    }

    @Test func aCallWaitsForANearResetAndNotForAFarOne() throws {
        let server = try ScriptedServer { connection in
            if connection.index == 1 { return connection.answer(200, "{}") }
            let reset = connection.index == 0 ? 1 : 500
            connection.answer(
                429, "{}",
                headers: "Date: Wed, 14 Nov 2029 22:13:20 GMT\r\nx-rate-limit-remaining: 0\r\n"
                    + "x-rate-limit-reset: \(1_889_388_800 + reset)\r\n")
        }
        defer { server.close() }
        let api = XAPI(XSettings(url: server.url, token: .value(Secret("t"))), patience: .seconds(60))
        let begin = ContinuousClock.now
        #expect(try api.get("/a") == Array("{}".utf8))
        #expect(begin.duration(to: .now) > .milliseconds(1900))
        let failure = try #require(throws: XError.self, performing: { _ = try api.get("/a") })
        #expect(failure.disposition == .retry)
        #expect(server.requests.count == 3)
    }
}
