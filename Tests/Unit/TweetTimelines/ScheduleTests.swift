import Core
import Logging
import TestSupport
import Testing
import TweetFormat

@testable import TweetTimelines

/// When timelines are polled, and what problems mean.
@Suite(.timeLimit(.minutes(5))) struct ScheduleTests {
    @Test func theIntervalFollowsThePosts() {
        let bounds = Duration.seconds(60)...Duration.seconds(900)
        func next(_ seconds: Int, _ new: Int, isQuiet: Bool = false) -> Duration {
            PollInterval.next(after: .seconds(seconds), new: new, isQuiet: isQuiet, in: bounds)
        }
        #expect(next(60, 0) == .seconds(60) && next(60, 0, isQuiet: true) == .seconds(90))
        #expect(next(800, 0, isQuiet: true) == .seconds(900) && next(60, 300) == .seconds(60))
        #expect(next(400, 51) == .seconds(200) && next(400, 3) == .seconds(300) && next(60, 3) == .seconds(60))
    }

    @Test func everyAccountHasItsOwnPlaceInTheInterval() {
        let now = Timestamp(milliseconds: 1_760_000_000_000)
        var places: [Int: Int] = [:]
        for account in 1...6000 as ClosedRange<Int64> {
            let due = PollInterval.due(after: now, account: account, interval: .seconds(60), random: 0)
            let wait = due.milliseconds - now.milliseconds
            #expect((30_000...96_000).contains(wait))
            places[Int(wait / 10_000), default: 0] += 1
            // The same place each time.
            let later = PollInterval.due(after: due, account: account, interval: .seconds(60), random: 0)
            #expect((later.milliseconds - due.milliseconds) == 60_000)
        }
        #expect(places.values.allSatisfy { (800...1200).contains($0) }, "\(places)")
        let spread = PollInterval.due(after: now, account: 1, interval: .seconds(60), random: 1)
        let none = PollInterval.due(after: now, account: 1, interval: .seconds(60), random: 0)
        #expect(spread.milliseconds - none.milliseconds == 6000)
    }

    private func meaning(
        _ status: Int, _ body: String = "", remaining: Int? = nil, reset: Duration? = nil, failures: Int = 0
    ) -> CallProblem {
        var limit = RateLimit()
        (limit.remaining, limit.resetAfter) = (remaining, reset)
        return CallProblem(Problem(status: status, body: Array(body.utf8), rateLimit: limit), failures: failures)
    }

    @Test func problemsAreTheUsersTheAppsOrXs() {
        #expect(meaning(401) == .tokenRejected)
        #expect(meaning(402) == .all(.noCredits, .seconds(900)))
        #expect(meaning(429, #"{"title":"UsageCapExceeded"}"#) == .all(.usageCap, .seconds(3600)))
        #expect(meaning(429, remaining: 0, reset: .seconds(100)) == .limited(.seconds(101)))
        // Never longer than a window, whatever a header says, and never shorter than nothing.
        #expect(meaning(429, remaining: 0, reset: .seconds(100_000)) == .limited(.seconds(901)))
        #expect(meaning(429, remaining: 0, reset: .seconds(-5)) == .limited(.seconds(1)))
        #expect(meaning(429) == .limited(.seconds(61)))
        // A limit that the headers do not show: short waits that double.
        #expect(meaning(429, remaining: 5, reset: .seconds(800)) == .limited(.seconds(10)))
        #expect(meaning(429, remaining: 5, failures: 2) == .limited(.seconds(40)))
        let client = #"{"title":"Client Forbidden","type":"https://api.x.com/2/problems/client-forbidden"}"#
        #expect(meaning(403, client) == .all(.app, .seconds(900)))
        #expect(meaning(403, #"{"title":"Forbidden","detail":"User has been suspended: [a]."}"#) == .suspended)
        #expect(meaning(403, #"{"title":"Forbidden","detail":"A client of yours"}"#) == .denied)
        #expect(meaning(404, #"{"type":"https://api.x.com/2/problems/resource-not-found"}"#) == .suspended)
        for status in [404, 500, 503, 302] { #expect(meaning(status) == .broken) }
        #expect(meaning(400) == .failing)
    }

    @Test func aPageBecomesLinesWithTheirTimeline() throws {
        let body = Array(
            #"{"data":[{"id":"9","text":"a\nb","author_id":"3"},{"id":"8","text":"c"}],"includes":{"users":[{"id":"3"}]},"meta":{"next_token":"t"}}"#
                .utf8)
        let date = Timestamp(milliseconds: 1_760_000_000_000)
        let page = try #require(TimelinePage(body, of: 5, .home, date: date))
        #expect(page.page.ids == [9, 8] && page.page.nextToken == "t")
        let origin = #""timeline":{"user_id":"5","kind":"home","fetched_at":"2025-10-09T08:53:20.000Z"}}"#
        #expect(
            page.lines(of: [9, 8]).map { String(decoding: $0, as: UTF8.self) } == [
                #"{"data":{"id":"8","text":"c"},"# + origin,
                #"{"data":{"id":"9","text":"a\nb","author_id":"3"},"includes":{"users":[{"id":"3"}]},"# + origin,
            ])
        #expect(page.lines(of: []) == [])
        let empty = try #require(TimelinePage(Array(#"{"meta":{"result_count":0}}"#.utf8), of: 5, .home, date: date))
        #expect(empty.page.ids == [])
        #expect(TimelinePage(Array(#"{"errors":[{}]}"#.utf8), of: 5, .home, date: date) == nil)
        // Text that PostgreSQL cannot hold does not stop a timeline; the bytes stay as they are.
        let odd = #"{"data":[{"id":"7","text":"\ud83d and \u0000"}],"meta":{}}"#
        let kept = try #require(TimelinePage(Array(odd.utf8), of: 5, .home, date: date)).lines(of: [7])
        #expect(
            kept.map { String(decoding: $0, as: UTF8.self) } == [
                #"{"data":{"id":"7","text":"\ud83d and \u0000"},"# + origin
            ])
    }

    @Test func severalAccountsThatFailAlikeAreTheApps() {
        let watch = AppWatch()
        #expect(!watch.isApp(.limited, of: 1) && !watch.isApp(.limited, of: 1) && !watch.isApp(.limited, of: 2))
        #expect(!watch.isApp(.forbidden, of: 3) && watch.isApp(.limited, of: 3) && watch.isApp(.limited, of: 1))
        watch.succeed()
        #expect(!watch.isApp(.limited, of: 3))
    }

    @Test func oneCallFindsOutWhetherXAnswers() {
        let outage = CallOutage(.timelines, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        outage.probe()
        #expect(outage.pause == nil && !outage.isOut)
        let wait = outage.begin("refused")
        #expect(outage.isOut && outage.pause.map { $0 <= wait } == true)
        // The call that finds out keeps the others away for as long as it takes.
        outage.probe()
        #expect(outage.pause.map { $0 > .seconds(30) } == true)
        outage.abandonProbe()
        #expect(outage.pause == nil && outage.isOut)
        outage.end()
        #expect(outage.pause == nil && !outage.isOut)
    }

    @Test func whatIsKeptIsACountOrATime() {
        #expect(EntryKeep(setting: "all") == .all && EntryKeep(setting: "800") == .posts(800))
        #expect(EntryKeep(setting: "180d") == .time(.seconds(180 * 86_400)))
        for text in ["0", "-1", "1m", "many", ""] { #expect(EntryKeep(setting: text) == nil, "\(text)") }
    }
}
