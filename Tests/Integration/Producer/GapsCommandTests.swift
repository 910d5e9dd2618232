import Core
import Foundation
import Harness
import Journal
import TestSupport
import Testing
import TweetFormat
import XAPI

@testable import TweetProducer

/// `tweet-producer gaps` as a process: what it prints and does, with and without a producer.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct GapsCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        let journal = try Journal.open(folder: folder.path, stream: "default")
        try journal.append(PipelineEvent(.connected, connection: 1), connection: 1)
        let now = Timestamp.now()
        let book = OpenGaps(folder: folder.path + "/default")
        for (from, to, cause) in [(-9 * 86_400, -9 * 86_400 + 5, "reset"), (-300, -200, "stall")] {
            var event = PipelineEvent(.disconnected, at: now.advanced(by: .seconds(from)), connection: 1, cause: cause)
            event.newestID = "20"
            try journal.append(event)
            var gap = try #require(StreamGap(event, seq: journal.lastSeq))
            gap.ended = now.advanced(by: .seconds(to)).milliseconds
            book.open(gap)
        }
        try journal.sync()
    }

    private func run(_ arguments: [String], url: String = "http://127.0.0.1:1") throws -> ProducerCommand {
        try ProducerCommand(
            ["gaps"] + arguments, ["X_URL": url, "X_BEARER_TOKEN": "TEST-TOKEN", "JOURNAL_DIR": folder.path])
    }

    /// A search that finds two posts; counts say so beforehand.
    private func server() throws -> ScriptedServer {
        try ScriptedServer { connection in
            if connection.head.contains("/stream/rules") {
                return connection.answer(200, #"{"data":[{"id":"5","value":"cats","tag":"c"}],"meta":{}}"#)
            }
            if connection.head.contains("/counts/recent") {
                return connection.answer(200, #"{"data":[],"meta":{"total_tweet_count":2000}}"#)
            }
            connection.answer(
                200, #"{"data":[{"id":"21","text":"a"},{"id":"22","text":"b"}],"meta":{"result_count":2}}"#)
        }
    }

    @Test func listsWhatIsOpenAndWhatCouldBeDone() throws {
        let table = try run(["list"])
        #expect(table.status == 0)
        let lines = table.output.split(separator: "\n")
        #expect(lines.count == 3 && lines[0].hasPrefix("GAP  STARTED"))
        #expect(lines[1].hasPrefix("2    ") && lines[1].hasSuffix("too old"))
        #expect(lines[2].contains("1m 40s") && lines[2].contains("stall") && lines[2].hasSuffix("search"))
        #expect(try run(["list", "--plan", "enterprise"]).output.contains("recovery"))
        let json = try JSONSerialization.jsonObject(with: Data(try run(["list", "--json"]).output.utf8))
        let envelope = try #require(json as? [String: Any])
        #expect(envelope["version"] as? Int == 1)
        let rows = try #require(envelope["gaps"] as? [[String: Any]])
        #expect(rows.map { $0["status"] as? String } == ["open", "open"])
        #expect(rows[1]["newest_id"] as? String == "20" && rows[1]["next"] as? String == "search")
        let other = try run(["list", "--stream", "other"])
        #expect(other.status == 78 && other.errors.contains("JOURNAL_DIR (--journal)"))
    }

    @Test func tellsTheCostAndBuysNothingUnasked() throws {
        let server = try server()
        defer { server.close() }
        let cost = try run(["repair", "--dry-run"], url: server.url)
        #expect(cost.status == 0 && cost.output.contains("2,000  $10.00"))
        #expect(!server.requests.contains { $0.head.contains("/search/recent") })
        let unasked = try run(["repair"], url: server.url)
        #expect(unasked.status == 64 && unasked.errors.contains("--max-posts"))
        let invalid = try run(["repair", "--max-posts", "many"], url: server.url)
        #expect(
            invalid.status == 78 && invalid.errors.contains("--max-posts: 'many' is not a whole number"), "\(invalid)")
        let unknown = try run(["repair", "99", "--max-posts", "100"], url: server.url)
        #expect(unknown.status == 65 && unknown.errors.contains("99 is not an open gap"))
    }

    @Test func fillsAGapAndJournalsIt() throws {
        let server = try server()
        defer { server.close() }
        let filled = try run(["repair", "3", "--max-posts", "100"], url: server.url)
        #expect(filled.status == 0, "\(filled)")
        #expect(filled.output.contains("3     search  2      filled"))
        let journal = try Journal.open(folder: folder.path, stream: "default")
        var reader = try JournalReader(journal.source, from: 4)
        var lines: [String] = []
        _ = try reader.read(limit: 10) { lines.append(unsafe String(decoding: $0.bytes, as: UTF8.self)) }
        #expect(lines.count == 3)
        #expect(lines.first == #"{"data":{"id":"21","text":"a"},"matching_rules":[{"id":"5","tag":"c"}]}"#)
        let event = try #require(lines.last.flatMap { PipelineEvent(line: Array($0.utf8)) })
        #expect(event.type == .repaired && event.seq == 3 && event.lines == 2)
        #expect(journal.recovery.openConnection == 0)
        #expect(PostCounter.stored(in: folder.path + "/default").values.reduce(0, +) == 2)
        #expect(try run(["list", "--all"]).output.contains("repaired_approximately (search)"))
    }

    @Test func aRunningProducerIsAskedToDoIt() throws {
        let server = try server()
        defer { server.close() }
        let journal = try Journal.open(folder: folder.path, stream: "default")
        let handed = try run(["repair", "--max-posts", "100"], url: server.url)
        #expect(handed.status == 0 && handed.output.contains("queued 1 for the running producer"))
        let listed = try run(["list"]).output.split(separator: "\n")
        #expect(listed.last?.contains("queued") == true && listed.dropLast().last?.contains("queued") == false)
        #expect(server.requests.isEmpty)

        // What the producer's own thread then does.
        let settings = StreamSettings(x: XSettings(url: server.url, token: .value(Secret("TEST-TOKEN"))))
        let (stop, log) = (Stop(), LogRecorder())
        let path = folder.path + "/default"
        let thread = JoinableThread(name: "gaps") {
            GapRepair(
                settings, folder: path, book: OpenGaps(folder: path), stop: stop, logger: log.logger,
                deliver: { _ in .durable }
            ).run()
        }
        #expect(log.wait { $0.message == "filled a gap" })
        #expect(eventually { RepairRequest.waiting(in: path) == nil })
        stop.raise()
        thread.join()
        #expect(OpenGaps(folder: path).gaps.map(\.status) == [.open, .repairedApproximately])
        #expect(!FileManager.default.fileExists(atPath: path + "/repair-request.json"))
        _ = journal
    }

    /// A thread as the producer's, which delivers nothing but says so.
    private func gapThread(_ url: String, _ stop: Stop, _ log: LogRecorder) -> JoinableThread {
        let settings = StreamSettings(x: XSettings(url: url, token: .value(Secret("TEST-TOKEN"))))
        let path = folder.path + "/default"
        return JoinableThread(name: "gaps") {
            GapRepair(
                settings, folder: path, book: OpenGaps(folder: path), stop: stop, logger: log.logger,
                deliver: { _ in .durable }
            ).run()
        }
    }

    @Test func waitsForARunningProducer() throws {
        let server = try server()
        defer { server.close() }
        let journal = try Journal.open(folder: folder.path, stream: "default")
        let stop = Stop()
        let thread = gapThread(server.url, stop, LogRecorder())
        let waited = try run(["repair", "3", "--max-posts", "100", "--wait"], url: server.url)
        #expect(waited.status == 0 && waited.output.contains("repaired_approximately (search)"), "\(waited)")
        stop.raise()
        thread.join()
        withExtendedLifetime(journal) {}
    }

    @Test func closesAGapWithAReason() throws {
        #expect(try run(["close", "2"]).status == 64)
        #expect(try run(["close", "9", "--reason", "x"]).status == 65)
        let closed = try run(["close", "2", "--reason", " trial run "])
        #expect(closed.status == 0 && closed.output == "gap 2: accepted\n", "\(closed)")
        #expect(try run(["list", "--all"]).output.contains("accepted"))
        #expect(try run(["close", "2", "--reason", "again"]).status == 65)
        let journal = try Journal.open(folder: folder.path, stream: "default")
        var reader = try JournalReader(journal.source, from: 4)
        var event: PipelineEvent?
        _ = try reader.read(limit: 10) { event = PipelineEvent(line: unsafe Array($0.bytes)) }
        #expect(event?.type == .gapClosed && event?.seq == 2 && event?.detail == "trial run")

        let stop = Stop()
        let thread = gapThread("http://127.0.0.1:1", stop, LogRecorder())
        let asked = try run(["close", "3", "--reason", "known"])
        #expect(asked.status == 0 && asked.output == "gap 3: accepted\n", "\(asked)")
        stop.raise()
        thread.join()
        #expect(OpenGaps(folder: folder.path + "/default").gaps.map(\.status) == [.accepted, .accepted])
        withExtendedLifetime(journal) {}
    }

    @Test func forgetsAJournalThatWasDeleted() throws {
        func forget(_ id: String) throws -> ProducerCommand {
            try ProducerCommand(["journal", "forget", id, "--reason", "trial"], ["JOURNAL_DIR": folder.path])
        }
        #expect(try forget("39FEFAC2").status == 64)
        let own = try Journal.open(folder: folder.path, stream: "default").source.journal
        #expect(try forget(own).status == 64, "the journal in use")
        #expect(try forget("39fefac2").output == "journal 39fefac2: forgotten\n")
        let journal = try Journal.open(folder: folder.path, stream: "default")
        var reader = try JournalReader(journal.source, from: 4)
        var event: PipelineEvent?
        _ = try reader.read(limit: 10) { event = PipelineEvent(line: unsafe Array($0.bytes)) }
        #expect(event?.type == .journalForgotten && event?.cause == "39fefac2" && event?.detail == "trial")
    }

    @Test func warnsOfAGapThatIsShorterThanItsSearch() throws {
        let server = try server()
        defer { server.close() }
        let path = folder.path + "/default"
        let at = Timestamp.now().advanced(by: .seconds(-100))
        let event = PipelineEvent(.disconnected, at: at, connection: 1, cause: "reset")
        var gap = try #require(StreamGap(event, seq: 7))
        gap.ended = at.milliseconds + 14
        OpenGaps(folder: path).open(gap)
        let told = try run(["repair", "7", "--dry-run"], url: server.url)
        #expect(told.errors.contains("gap 7 lasted 14ms"), "\(told)")
        #expect(told.errors.contains("stored already"))
        let left = try run(["repair", "7", "--dry-run", "--min-gap", "1s"], url: server.url)
        #expect(left.status == 0 && left.output.contains("nothing can be filled"))
        #expect(try run(["repair", "--min-gap", "soon"], url: server.url).status == 78)
    }
}
