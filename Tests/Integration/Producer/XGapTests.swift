import Foundation
import Harness
import Sandbox
import Synchronization
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import TweetFormat
@testable import TweetLoader
@testable import TweetProducer
@testable import XAPI

private func gap(_ seq: Int64, _ from: Int, _ to: Int?, cause: String = "reset", of now: Timestamp) throws -> StreamGap
{
    var event = PipelineEvent(.disconnected, at: now.advanced(by: .seconds(from)), connection: seq, cause: cause)
    event.newestID = "1"
    var gap = try #require(StreamGap(event, seq: seq))
    gap.ended = to.map { now.advanced(by: .seconds($0)).milliseconds }
    return gap
}

@Suite struct XRepairPlanTests {
    private let now = Timestamp(milliseconds: 1_763_600_000_000)

    @Test func backfillCoversTheGapAndAMargin() throws {
        func minutes(_ gaps: [StreamGap], _ plan: AccountPlan = .enterprise) -> Int? {
            RepairPlan.backfill(gaps, plan: plan, at: now)?.minutes
        }
        #expect(minutes([try gap(1, -2, nil, of: now)]) == 1)
        #expect(minutes([try gap(1, -45, nil, of: now)]) == 1)
        #expect(minutes([try gap(1, -46, nil, of: now)]) == 2)
        #expect(minutes([try gap(1, -285, nil, of: now)]) == 5)
        #expect(minutes([try gap(1, -286, nil, of: now)]) == nil)
        #expect(minutes([try gap(1, -45, nil, of: now)], .selfServe) == nil)
        #expect(minutes([try gap(1, -45, nil, cause: "post_limit", of: now)]) == nil)
        // An older one that the last connection did not live to fill is covered as well; what is too old is left out.
        let several = [
            try gap(1, -900, -800, of: now), try gap(2, -200, -190, of: now), try gap(3, -5, nil, of: now),
        ]
        let backfill = try #require(RepairPlan.backfill(several, plan: .enterprise, at: now))
        #expect(backfill.minutes == 4 && backfill.seqs == [2, 3])
    }

    @Test func theRungFollowsFromPlanAndAge() throws {
        func method(_ from: Int, _ plan: AccountPlan) throws -> RepairMethod? {
            RepairPlan.method(for: try gap(1, from, from + 10, of: now), plan: plan, at: now)
        }
        #expect(try method(-3600, .enterprise) == .recovery)
        #expect(try method(-90_000, .enterprise) == .search)
        #expect(try method(-3600, .selfServe) == .search)
        #expect(try method(-8 * 86_400, .enterprise) == nil)
    }

    @Test func ofALongGapThePartThatXStillGivesIsFilled() throws {
        let day = 86_400
        var long = try gap(1, -2 * day, -100, of: now)
        func job(_ plan: AccountPlan) -> RepairPlan.Job? { RepairPlan.jobs([long], plan: plan, at: now).first }
        let recovery = try #require(job(.enterprise))
        #expect(recovery.method == .recovery && recovery.from == now.advanced(by: .seconds(300 - day)))
        #expect(recovery.cuts(long) && recovery.to == now.advanced(by: .seconds(-98)))
        #expect(job(.selfServe)?.method == .search && job(.selfServe)?.cuts(long) == false)
        // Then what is older, by the next rung.
        long.filledFrom = recovery.from.milliseconds
        let search = try #require(job(.enterprise))
        #expect(search.method == .search && search.to == recovery.from.advanced(by: .seconds(2)))
        #expect(search.from == now.advanced(by: .seconds(-2 * day - 2)) && !search.cuts(long))
        long = try gap(1, -9 * day, -6 * day, of: now)
        #expect(job(.selfServe)?.from == now.advanced(by: .seconds(300 - 7 * day)))
        long.filledFrom = job(.selfServe)?.from.milliseconds
        #expect(job(.selfServe) == nil)
        long = try gap(1, -9 * day, 260 - 7 * day, of: now)
        #expect(job(.selfServe) == nil)
    }

    @Test func nearGapsAreOneJobAndOpenEndsNone() throws {
        var filled = try gap(4, -900, -890, of: now)
        filled.status = .repairedExactly
        let jobs = RepairPlan.jobs(
            [
                try gap(2, -1000, -990, of: now), try gap(1, -1100, -1001, of: now), filled,
                try gap(5, -500, -400, of: now), try gap(6, -100, nil, of: now),
            ], plan: .selfServe, at: now)
        #expect(jobs.map(\.seqs) == [[1, 2], [5]])
        #expect(jobs[0].from == now.advanced(by: .seconds(-1102)) && jobs[0].to == now.advanced(by: .seconds(-988)))
        // Whole seconds, never less than the gap.
        var odd = jobs[1]
        (odd.from, odd.to) = (Timestamp(milliseconds: 1_763_599_500_900), Timestamp(milliseconds: 1_763_599_600_001))
        #expect(SearchRepair.window(odd).map(\.value) == ["2025-11-20T00:45:00Z", "2025-11-20T00:46:41Z"])
    }

    @Test func aWindowBeginsWithWhatWasStillOnItsWay() throws {
        func seconds(newest: Int?, caughtUp: Int? = nil) throws -> Int64 {
            var missed = try gap(1, -600, -500, of: now)
            missed.caughtUp = caughtUp.map { now.advanced(by: .seconds($0)).milliseconds }
            missed.newestID = newest.flatMap { Snowflake.firstID(at: now.advanced(by: .seconds($0))) }.map(String.init)
            let job = try #require(RepairPlan.jobs([missed], plan: .selfServe, at: now).first)
            return (job.from.milliseconds - now.milliseconds) / 1000
        }
        #expect(try seconds(newest: nil) == -602)
        #expect(try seconds(newest: -604) == -606)
        #expect(try seconds(newest: -590) == -602)
        // Nobody knows whether the reader was behind: from the newest post on.
        #expect(try seconds(newest: -4000) == -4002)
        // Nothing waited a second before the gap: the stream was only quiet.
        #expect(try seconds(newest: -4000, caughtUp: -601) == -611)
        #expect(try seconds(newest: -4000, caughtUp: -590) == -610)
        #expect(try seconds(newest: nil, caughtUp: -600) == -610)
        // A minute's worth of posts still waited.
        #expect(try seconds(newest: -660, caughtUp: -720) == -662)
        #expect(try seconds(newest: nil, caughtUp: -720) == -730)
        // Never further back than X answers.
        #expect(try seconds(newest: -8 * 86_400) == -(7 * 86_400 - 300))
    }

    @Test func aReaderThatWasBehindNeedsALongerBackfill() throws {
        var missed = try gap(1, -2, nil, of: now)
        missed.newestID = Snowflake.firstID(at: now.advanced(by: .seconds(-120))).map(String.init)
        missed.caughtUp = now.advanced(by: .seconds(-125)).milliseconds
        #expect(RepairPlan.backfill([missed], plan: .enterprise, at: now)?.minutes == 3)
        missed.caughtUp = now.advanced(by: .seconds(-3)).milliseconds
        #expect(RepairPlan.backfill([missed], plan: .enterprise, at: now)?.minutes == 1)
        missed.newestID = Snowflake.firstID(at: now.advanced(by: .seconds(-400))).map(String.init)
        missed.caughtUp = nil
        #expect(RepairPlan.backfill([missed], plan: .enterprise, at: now) == nil)
    }

    @Test func aJobBeginsWithTheEarliestOfItsWindows() throws {
        var late = try gap(2, -90, -80, of: now)
        late.newestID = Snowflake.firstID(at: now.advanced(by: .seconds(-300))).map(String.init)
        let jobs = RepairPlan.jobs([try gap(1, -100, -95, of: now), late], plan: .enterprise, at: now)
        #expect(jobs.map(\.seqs) == [[1, 2]])
        #expect(jobs.first?.from == now.advanced(by: .seconds(-302)))
    }
}

@Suite struct XGapBookTests {
    private let now = Timestamp(milliseconds: 1_763_600_000_000)

    @Test func itSurvivesRestartsAndDamage() throws {
        let folder = try TemporaryFolder()
        let book = OpenGaps(folder: folder.path)
        book.open(try gap(3, -10, nil, of: now))
        // Not connected in between: still the same gap.
        book.open(try gap(9, -5, nil, cause: "crash", of: now))
        book.end(at: now)
        book.end(at: now.advanced(by: .seconds(50)))
        book.save()
        book.spend(7, on: 20_411)
        let again = OpenGaps(folder: folder.path)
        #expect(again.gaps == book.gaps && again.gaps.map(\.seq) == [3] && again.gaps[0].end == now)
        #expect(again.gaps[0].newestID == "1" && again.gaps[0].start == now.advanced(by: .seconds(-10)))
        #expect(again.spent(on: 20_411) == 7 && again.spent(on: 20_412) == 0)
        try folder.write("{", to: OpenGaps.fileName)
        #expect(OpenGaps(folder: folder.path).gaps.isEmpty)
    }

    @Test func filledOnesMakeRoom() throws {
        let folder = try TemporaryFolder()
        let book = OpenGaps(folder: folder.path, longest: 20)
        for seq in 1...21 {
            book.open(try gap(Int64(seq), seq, nil, of: now))
            book.end(at: now.advanced(by: .seconds(seq + 1)))
            if seq == 5 { book.change([5]) { $0.status = .repairedExactly } }
        }
        #expect(book.gaps.count == 20 && book.gaps[0].seq == 1 && !book.gaps.contains { $0.seq == 5 })
    }
}

@Suite struct XSearchPageTests {
    private let rule = SearchPage.Rule(id: "7", tag: #"a "b""#)

    @Test func aPageBecomesLinesWithWhatEachPostNames() throws {
        let page = """
            {"data":[
              {"id":"1","author_id":"10","text":"a \\"},{ \\u00e9","referenced_tweets":[{"type":"quoted","id":"3"}],
               "attachments":{"media_keys":["3_1"]},"n":1.50e2},
              {"id":"2","text":"@bob","entities":{"mentions":[{"username":"bob"}]}}],
             "includes":{"users":[{"id":"10","username":"amy"},{"id":"11","username":"bob"},{"id":"12","username":"cy"}],
              "tweets":[{"id":"3","author_id":"12"},{"id":"4","author_id":"10"}],"media":[{"media_key":"3_1","type":"photo"}]},
             "meta":{"result_count":2,"next_token":"t"}}
            """
        let read = try #require(SearchPage(Array(page.utf8), rule: rule))
        #expect(read.ids == ["1", "2"] && read.nextToken == "t")
        let tail = #""matching_rules":[{"id":"7","tag":"a \"b\""}]}"#
        #expect(
            String(decoding: read.lines[1], as: UTF8.self)
                == #"{"data":{"id":"2","text":"@bob","entities":{"mentions":[{"username":"bob"}]}},"#
                + #""includes":{"users":[{"id":"11","username":"bob"}]},"# + tail)
        let first = String(decoding: read.lines[0], as: UTF8.self)
        #expect(first.hasPrefix(#"{"data":{"id":"1","author_id":"10","text":"a \"},{ \u00e9","#))
        #expect(first.contains(#""n":1.50e2}"#) && first.hasSuffix(tail) && !first.contains("\n"))
        #expect(first.contains(#""tweets":[{"id":"3","author_id":"12"}]"#) && first.contains(#""media":[{"media_key""#))
        #expect(first.contains("amy") && first.contains("cy") && !first.contains("bob"))
        for line in read.lines { #expect((try? JSONSerialization.jsonObject(with: Data(line))) != nil) }
    }

    @Test func anEmptyPageHasNothingAndAnotherAnswerIsNone() {
        #expect(SearchPage(Array(#"{"meta":{"result_count":0}}"#.utf8), rule: rule)?.lines == [])
        for text in ["", "[]", "{}", "<html>", #"{"data":[{"id":"1"}"#] {
            #expect(SearchPage(Array(text.utf8), rule: rule) == nil)
        }
    }
}

@Suite(.serialized, .timeLimit(.minutes(4))) struct XGapRepairTests {
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

/// Gaps of a running stream, measured and filled while it goes on.
@Suite(.serialized, .timeLimit(.minutes(4))) struct XStreamGapTests {
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
