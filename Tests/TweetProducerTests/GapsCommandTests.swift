import Foundation
import PipelineKit
import TestSupport
import Testing

@testable import TweetProducer

/// `tweet-producer gaps` as a process: what it prints and does, with and without a producer.
@Suite(.serialized, .timeLimit(.minutes(4))) struct GapsCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        let journal = try Journal.open(folder: folder.path, stream: "default")
        try journal.append(PipelineEvent(.connected, connection: 1), connection: 1)
        let now = Timestamp.now()
        let book = GapBook(folder: folder.path + "/default")
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
        let rows = try #require(json as? [[String: Any]])
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
        let unknown = try run(["repair", "99", "--max-posts", "100"], url: server.url)
        #expect(unknown.status == 65 && unknown.errors.contains("99 is no open gap"))
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
        #expect(handed.status == 0 && handed.output.contains("handed 1 to the producer that runs"))
        #expect(server.requests.isEmpty)

        // What the producer's own thread then does.
        let settings = StreamSettings(x: XSettings(url: server.url, token: .value(Secret("TEST-TOKEN"))))
        let (stop, log) = (Stop(), LogRecorder())
        let path = folder.path + "/default"
        let thread = JoinableThread(name: "gaps") {
            GapRepair(
                settings, folder: path, book: GapBook(folder: path), stop: stop, logger: log.logger,
                deliver: { _ in .durable }
            ).run()
        }
        #expect(log.wait { $0.message == "filled a gap" })
        stop.raise()
        thread.join()
        #expect(GapBook(folder: path).gaps.map(\.status) == [.open, .repairedApproximately])
        #expect(!FileManager.default.fileExists(atPath: path + "/repair-request.json"))
        _ = journal
    }
}
