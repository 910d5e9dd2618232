import Foundation
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import TweetFormat
@testable import TweetProducer
@testable import XAPI

@Suite(.timeLimit(.minutes(5))) struct XRepairPlanTests {
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

    /// No search finds a sample, and X sends only that of `sample10` again.
    @Test func theRungFollowsFromTheKindOfStream() throws {
        func methods(_ kind: StreamKind, _ plan: AccountPlan) throws -> [RepairMethod?] {
            let gaps = [try gap(1, -3600, -3590, of: now), try gap(2, -90_000, -89_990, of: now)]
            #expect(
                RepairPlan.jobs(gaps, plan: plan, kind: kind, at: now).map(\.method)
                    == gaps.reversed().compactMap { RepairPlan.method(for: $0, plan: plan, kind: kind, at: now) })
            return gaps.map { RepairPlan.method(for: $0, plan: plan, kind: kind, at: now) }
        }
        #expect(try methods(.filtered, .enterprise) == [.recovery, .search])
        #expect(try methods(.sample, .enterprise) == [nil, nil])
        #expect(try methods(.sample10, .enterprise) == [.recovery, nil])
        #expect(try methods(.sample10, .selfServe) == [nil, nil])
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

@Suite(.timeLimit(.minutes(5))) struct XGapBookTests {
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

@Suite(.timeLimit(.minutes(5))) struct XSearchPageTests {
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
