import Harness
import Synchronization
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import TweetFormat
@testable import TweetProducer
@testable import XAPI

@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XGapRepairTests {
    private static let window = RepairPlan.Job(
        gaps: [], method: .search, from: Timestamp(milliseconds: 0), to: Timestamp(milliseconds: 1000))

    /// Chunks that were handed over.
    private final class Taken: Sendable {
        let chunks = Mutex<[JournalChunk]>([])
        var lines: [String] {
            chunks.withLock { $0.flatMap(\.lines).map { String(decoding: $0, as: UTF8.self) } }
        }
        var events: [PipelineEvent] { chunks.withLock { $0.flatMap(\.events) } }
    }

    private func repair(
        _ settings: StreamSettings, _ folder: TemporaryFolder, _ gaps: [StreamGap], budget: Int64
    ) -> (reports: [GapRepair.Report], taken: Taken, book: OpenGaps) {
        let taken = Taken()
        let book = OpenGaps(folder: folder.path)
        for gap in gaps {
            book.open(gap)
            if let end = gap.end { book.end(at: end) }
        }
        let repair = GapRepair(
            settings, folder: folder.path, book: book, stop: Stop(), logger: LogRecorder().logger,
            deliver: { chunk in
                taken.chunks.withLock { $0.append(chunk) }
                return .durable
            })
        return (repair.repair(book.gaps, budget: budget), taken, book)
    }

    private func page(_ ids: Range<Int>, next: String?) -> String {
        let posts = ids.map { "{\"id\":\"\($0)\",\"text\":\"t\"}" }.joined(separator: ",")
        return
            "{\"data\":[\(posts)],\"meta\":{\"result_count\":\(ids.count)\(next.map { ",\"next_token\":\"\($0)\"" } ?? "")}}"
    }

    private let rules = #"{"data":[{"id":"5","value":"cats","tag":"c"},{"id":"6","value":"dogs"}],"meta":{}}"#

    @Test func everyRuleIsSearchedPageByPage() throws {
        let server = try ScriptedServer { [self] connection in
            if connection.head.hasPrefix("GET /2/tweets/search/stream/rules") { return connection.answer(200, rules) }
            if connection.head.contains("query=dogs") { return connection.answer(200, #"{"meta":{"result_count":0}}"#) }
            connection.answer(
                200, connection.head.contains("next_token=n1") ? page(100..<140, next: nil) : page(0..<100, next: "n1"))
        }
        defer { server.close() }
        let folder = try TemporaryFolder()
        let now = Timestamp.now()
        var settings = StreamSettings.test(server.url)
        settings.repair.delay = .zero
        let (reports, taken, book) = repair(settings, folder, [try gap(4, -100, -50, of: now)], budget: 1000)
        #expect(reports.map(\.outcome.obstacle) == [nil] && reports.map(\.outcome.posts) == [140])
        #expect(taken.lines.count == 140)
        #expect(taken.lines.last == #"{"data":{"id":"139","text":"t"},"matching_rules":[{"id":"5","tag":"c"}]}"#)
        #expect(taken.chunks.withLock { Set($0.map(\.connection)).count } == 1)
        let event = try #require(taken.events.first)
        #expect(event.type == .repaired && event.seq == 4 && event.exact == false && event.cause == "search")
        #expect(book.gaps[0].status == .repairedApproximately && book.gaps[0].posts == 140)
        #expect(book.spent(on: now.day) == 140)
        let search = try #require(server.requests.first { $0.head.contains("query=cats") })
        #expect(search.head.contains("start_time=") && search.head.contains("tweet.fields=article%2C"))
    }

    /// A filter's rule is longer than a query of the search.
    @Test func aLongRuleIsSearchedInParts() throws {
        let value = (0..<100).map { "word\($0)" }.joined(separator: " OR ")
        let server = try ScriptedServer { [self] connection in
            if connection.head.contains("/rules") {
                return connection.answer(200, "{\"data\":[{\"id\":\"5\",\"value\":\"\(value)\",\"tag\":\"many\"}]}")
            }
            // Each part finds ten posts, five of which the part before has found.
            connection.answer(200, page(connection.index * 5..<connection.index * 5 + 10, next: nil))
        }
        defer { server.close() }
        let folder = try TemporaryFolder()
        var settings = StreamSettings.test(server.url)
        settings.repair.delay = .zero
        let (reports, taken, book) = repair(settings, folder, [try gap(4, -100, -50, of: .now())], budget: 1000)
        #expect(reports.map(\.outcome.obstacle) == [nil] && reports[0].outcome.posts == 20)
        #expect(taken.lines.count == 15 && taken.lines.allSatisfy { $0.contains(#""matching_rules":[{"id":"5""#) })
        #expect(server.requests.count == 3 && book.gaps[0].status == .repairedApproximately)
    }

    @Test func aTokenThatRepeatsForEverEndsAfterThreePagesWithoutANewPost() throws {
        let server = try ScriptedServer { [self] connection in
            if connection.head.contains("/rules") { return connection.answer(200, rules) }
            connection.answer(200, page(0..<10, next: "same"))
        }
        defer { server.close() }
        let folder = try TemporaryFolder()
        var settings = StreamSettings.test(server.url)
        settings.repair.delay = .zero
        let (reports, taken, _) = repair(settings, folder, [try gap(4, -100, -50, of: .now())], budget: 10_000)
        // For each of the two rules one page with posts and three without a new one.
        #expect(reports[0].outcome.posts == 80 && taken.lines.count == 20)
        #expect(server.requests.count == 9)
    }

    @Test func theBudgetIsNeverPassedAndWhatIsFinishedIsNotPaidTwice() throws {
        let server = try ScriptedServer { [self] connection in
            if connection.head.contains("/rules") { return connection.answer(200, rules) }
            let size = connection.head.contains("max_results=50") ? 50 : 100
            connection.answer(200, page(connection.index * 100..<connection.index * 100 + size, next: nil))
        }
        defer { server.close() }
        let folder = try TemporaryFolder()
        var settings = StreamSettings.test(server.url)
        settings.repair.delay = .zero
        let (reports, taken, book) = repair(settings, folder, [try gap(4, -100, -50, of: .now())], budget: 105)
        #expect(reports[0].outcome.posts == 100 && reports[0].outcome.obstacle?.contains("budget") == true)
        #expect(taken.events.map(\.type) == [.repairFailed])
        #expect(book.gaps[0].status == .open && book.gaps[0].searched == ["5"] && book.gaps[0].tries == 1)
        let again = repair(settings, folder, [], budget: 150)
        #expect(again.book.gaps[0].status == .repairedApproximately && again.book.gaps[0].posts == 200)
        #expect(server.requests.count { $0.head.contains("query=cats") } == 1)
    }

    /// Runs the thread of `run` over one gap until it has told something, or a while.
    private func runByItself(
        _ url: String, _ cause: String, isTold: String?, _ change: (inout RepairSettings) -> Void
    ) throws -> StreamGap {
        let folder = try TemporaryFolder()
        let book = OpenGaps(folder: folder.path)
        let missed = try gap(4, -100, -50, cause: cause, of: .now())
        book.open(missed)
        book.end(at: try #require(missed.end))
        var settings = StreamSettings.test(url)
        settings.repair.delay = .zero
        change(&settings.repair)
        let (stop, log) = (Stop(), LogRecorder())
        let thread = JoinableThread(name: "gaps") { [settings] in
            GapRepair(
                settings, folder: folder.path, book: book, stop: stop, logger: log.logger, deliver: { _ in .durable }
            ).run()
        }
        if let isTold { #expect(log.wait { $0.message == isTold }) } else { stop.wait(for: .milliseconds(1500)) }
        stop.raise()
        thread.join()
        return try #require(book.gaps.first)
    }

    @Test func byItselfItBuysOnlyWhatTheSettingsAllow() throws {
        let server = try ScriptedServer { [self] connection in
            if connection.head.contains("/rules") { return connection.answer(200, rules) }
            connection.answer(200, page(0..<3, next: nil))
        }
        defer { server.close() }
        let filled = try runByItself(server.url, "reset", isTold: "filled a gap") { $0.postsPerDay = 100 }
        #expect(filled.status == .repairedApproximately && filled.posts == 6)
        let asked = server.requests.count
        for (cause, posts, isOn) in [("reset", 0, true), ("reset", 100, false), ("post_limit", 100, true)] {
            let left = try runByItself(server.url, cause, isTold: nil) {
                $0.postsPerDay = Int64(posts)
                $0.isAutomatic = isOn
            }
            #expect(left.status == .open && left.note == nil)
        }
        #expect(server.requests.count == asked)
    }

    @Test func rulesThatCannotBeSearchedLeaveTheGapOpen() throws {
        let server = try ScriptedServer { [self] connection in
            if connection.head.contains("/rules") {
                return connection.answer(
                    200, #"{"data":[{"id":"5","value":"cats sample:10"},{"id":"6","value":"dogs"}]}"#)
            }
            connection.answer(200, page(0..<1, next: nil))
        }
        defer { server.close() }
        let folder = try TemporaryFolder()
        var settings = StreamSettings.test(server.url)
        settings.repair.delay = .zero
        let (reports, taken, book) = repair(settings, folder, [try gap(4, -100, -50, of: .now())], budget: 100)
        #expect(reports[0].outcome.obstacle?.contains("1 of 2 rules cannot be searched") == true)
        #expect(taken.lines.count == 1 && book.gaps[0].status == .open && book.gaps[0].note != nil)
    }

    @Test func aRecoveryIsReadToItsEndAndIsExact() throws {
        let isCut = Atomic(false)
        let server = try ScriptedServer { connection in
            connection.sendStreamHead(isCut.load(ordering: .relaxed) ? "Content-Length: 99\r\n" : "")
            connection.send("{\"data\":{\"id\":\"1\"}}\r\n\r\n{\"data\":{\"id\":\"2\"}}\r\n")
        }
        defer { server.close() }
        let now = Timestamp.now()
        var settings = StreamSettings.test(server.url)
        settings.plan = .enterprise
        settings.repair.delay = .zero
        let folder = try TemporaryFolder()
        let (reports, taken, book) = repair(settings, folder, [try gap(4, -4000, -3000, of: now)], budget: 0)
        #expect(reports.map(\.outcome.obstacle) == [nil])
        #expect(taken.lines == ["{\"data\":{\"id\":\"1\"}}", "{\"data\":{\"id\":\"2\"}}"])
        #expect(taken.events.map(\.exact) == [true] && book.gaps[0].status == .repairedExactly)
        #expect(server.requests[0].head.contains("start_time=") && server.requests[0].head.contains("tweet.fields="))

        isCut.store(true, ordering: .relaxed)
        let other = try TemporaryFolder()
        let cut = repair(settings, other, [try gap(5, -4000, -3000, of: now)], budget: 0)
        #expect(cut.reports[0].outcome.obstacle != nil && cut.book.gaps[0].status == .open)
    }

    @Test func aGapWhoseBeginningIsTooOldStaysOpenWithItsLatestPartFilled() throws {
        let server = try ScriptedServer { [self] connection in
            if connection.head.contains("/rules") { return connection.answer(200, rules) }
            if connection.head.contains("query=") { return connection.answer(200, page(10..<11, next: nil)) }
            connection.sendStreamHead()
            connection.send("{\"data\":{\"id\":\"1\"}}\r\n")
        }
        defer { server.close() }
        let folder = try TemporaryFolder()
        var settings = StreamSettings.test(server.url)
        settings.plan = .enterprise
        settings.repair.delay = .zero
        let (reports, taken, book) = repair(
            settings, folder, [try gap(4, -100_000, -3000, of: .now())], budget: 0)
        let from = try #require(reports[0].outcome.filledFrom)
        #expect(reports[0].outcome.obstacle == nil && taken.events.map(\.type) == [.repairFailed])
        #expect(taken.events[0].detail == "filled from \(from) on: X's recovery reaches no further back")
        let left = book.gaps[0]
        #expect(left.status == .open && left.filledFrom == from.milliseconds && left.tries == 0 && left.posts == 1)
        #expect(left.note == taken.events[0].detail && left.repairedBy == .recovery)
        // With a budget the rest is searched.
        let rest = repair(settings, folder, [], budget: 100)
        #expect(rest.reports.map(\.job.method) == [.search] && rest.taken.events.map(\.type) == [.repaired])
        #expect(rest.book.gaps[0].status == .repairedApproximately && rest.book.gaps[0].posts == 3)
    }

    @Test func aPlanWithoutRecoveryIsToldAsX() throws {
        let server = try ScriptedServer { $0.answer(403, #"{"title":"Client Forbidden","detail":"no plan"}"#) }
        defer { server.close() }
        var settings = StreamSettings.test(server.url)
        settings.plan = .enterprise
        settings.repair.delay = .zero
        let folder = try TemporaryFolder()
        let (reports, _, _) = repair(settings, folder, [try gap(4, -4000, -3000, of: .now())], budget: 0)
        #expect(reports[0].outcome.obstacle?.contains("no plan") == true)
    }
}
