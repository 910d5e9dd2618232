import Core
import Journal
import TestSupport
import Testing

@testable import TweetProducer

/// What `streams status` makes of what it sees: a running process is not healthy by that alone.
@Suite(.timeLimit(.minutes(5))) struct StreamHealthTests {
    private let folder: TemporaryFolder
    private let journal: Journal
    private let now = Timestamp.now()

    init() throws {
        folder = try TemporaryFolder()
        journal = try Journal.open(folder: folder.path, stream: "s")
    }

    /// A stream that is as it should be, with changes.
    private func health(_ change: (inout StreamLook) -> Void = { _ in }) throws -> StreamHealth {
        let text = "streams: [{ name: s, token_file: t, settings: { journal_dir: \(folder.path) } }]"
        let stream = StreamsFile(path: "/etc/streams.yaml", text: text).streams[0]
        var look = StreamLook(isSupervised: true, isPending: false)
        (look.declared, look.settings) = (stream, StreamSettingsFile(stream, from: "/etc/streams.yaml"))
        look.process = StreamProcess(state: .running, word: "RUNNING", pid: 7)
        look.journal = try JournalStatus(folder: folder.path, stream: "s", quota: nil)
        let writer = try #require(look.journal?.process?.split(separator: " ").dropFirst().first.flatMap { Int32($0) })
        var facts = StreamFacts(process: writer, state: .connected, since: now.milliseconds, at: now.milliseconds)
        facts.lastByteAt = now.milliseconds - 5000
        look.facts = facts
        change(&look)
        return StreamHealth(look, now: now)
    }

    @Test func connectedWithBytesIsHealthy() throws {
        let health = try health()
        #expect(health.isHealthy && health.state == .connected && health.reason == nil)
        journal.close()
    }

    @Test func runningIsNotHealthyByItself() throws {
        func expect(
            _ state: StreamHealth.State, _ reason: String, _ change: (inout StreamLook) -> Void,
            at location: SourceLocation = #_sourceLocation
        ) throws {
            let health = try health(change)
            #expect(!health.isHealthy, sourceLocation: location)
            #expect(health.state == state && health.reason == reason, "\(health)", sourceLocation: location)
        }
        try expect(.connected, "nothing has come from X for 90 s") { $0.facts?.lastByteAt = now.milliseconds - 90_000 }
        try expect(.waiting, "the reader has not responded for 40 s") { $0.facts?.at = now.milliseconds - 40_000 }
        try expect(.waiting, "unauthorized: 401 Unauthorized; next attempt in 30 s") { look in
            look.facts?.state = .waiting
            look.facts?.cause = "unauthorized"
            look.facts?.detail = "401 Unauthorized"
            look.facts?.nextAttemptAt = now.milliseconds + 30_000
        }
        try expect(.connecting, "X has not answered yet") { $0.facts?.state = .connecting }
        try expect(.starting, "the reader has not begun yet") { $0.facts?.process = 1 }
        try expect(.waiting, "the journal: stopped: full") { $0.journal?.state = "stopped: full" }
        try expect(.connected, "topic tweets rejects every record") { $0.journal?.pausedTopic = "tweets" }
        try expect(.connected, "3 lines wait for Kafka, the oldest for 3 min") {
            $0.journal?.unacknowledged = 3
            $0.journal?.oldestUnacknowledgedAt = now.advanced(by: .seconds(-180)).description
        }
        try expect(.connected, "`streams apply` has changes for it") { $0.isPending = true }
        try expect(.failed, "FATAL: settings") {
            $0.process = StreamProcess(state: .failed, word: "FATAL", reason: "settings")
        }
        try expect(.stopped, "`streams apply` starts it") { $0.process = nil }
        journal.close()
    }

    @Test func whatIsNotActiveIsHealthyWhenNothingIsLeftOfIt() throws {
        let inactive = StreamsFile(path: "/s.yaml", text: "streams: [{ name: s, active: false }]").streams[0]
        let gone = try health { ($0.declared, $0.process, $0.settings) = (inactive, nil, nil) }
        #expect(gone.isHealthy && gone.state == .inactive)
        #expect(try !health { $0.declared = inactive }.isHealthy)
        #expect(try !health { $0.declared = nil }.isHealthy, "not in the file at all")
        journal.close()
    }

    @Test func aStandbyIsHealthyAndWithoutASupervisorTheJournalCounts() throws {
        let passive = try health {
            $0.facts?.state = .passive
            $0.journal?.state = "passive: another producer reads the stream"
        }
        #expect(passive.isHealthy && passive.state == .passive)
        let full = try health {
            $0.facts?.state = .passive
            $0.journal?.state = "stopped: full"
        }
        #expect(full.state == .waiting)
        let alone = try health { ($0.isSupervised, $0.process) = (false, nil) }
        #expect(alone.isHealthy && alone.state == .connected)
        let starting = try health { $0.journal = nil }
        #expect(starting.state == .starting && starting.reason == "its journal is not open yet" && !starting.isHealthy)
        let stopped = try health { ($0.isSupervised, $0.process, $0.journal) = (false, nil, nil) }
        #expect(stopped.state == .stopped && stopped.reason == "no process has its journal")
        journal.close()
    }

    @Test func theFirstLineThatKafkaLacksSaysHowLateItIs() throws {
        for second in 1...3 { try journal.append("{}", at: Int64(second) * 1000) }
        try journal.sync()
        func oldest(_ acknowledged: Int64) throws -> String? {
            try Checkpoint(journal: journal.source.journal, acknowledged: acknowledged).write(to: folder.path + "/s")
            return try JournalStatus(folder: folder.path, stream: "s", quota: nil).oldestUnacknowledgedAt
        }
        #expect(try oldest(0) == Timestamp(milliseconds: 1000).description)
        #expect(try oldest(1) == Timestamp(milliseconds: 2000).description)
        #expect(try oldest(3) == nil)
        journal.close()
    }

    /// The facts are written as they change, and read back.
    @Test func factsAreWrittenInPlace() throws {
        let facts = StreamFactsKeeper(folder: folder.path + "/s") { $0() }
        #expect(StreamFacts.read(folder.path + "/s")?.state == .connecting)
        facts.enter(.waiting, cause: "http", detail: String(repeating: "ü\"", count: 3000), delay: .seconds(5))
        let waiting = try #require(StreamFacts.read(folder.path + "/s"))
        #expect(waiting.state == .waiting && waiting.detail?.count == 400 && waiting.nextAttemptAt != nil)
        facts.play(.passive)
        #expect(StreamFacts.read(folder.path + "/s")?.role == .passive)
        facts.play(.active)
        #expect(StreamFacts.read(folder.path + "/s")?.state == .connecting)
        facts.enter(.connected)
        let connected = try #require(StreamFacts.read(folder.path + "/s"))
        #expect(connected.state == .connected && connected.cause == nil && connected.nextAttemptAt == nil)
        #expect(connected.role == .active)
        #expect(connected.since >= waiting.since)
        journal.close()
    }
}
