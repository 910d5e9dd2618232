import Core
import TestSupport
import Testing
import TweetFormat

@testable import TweetTimelines

/// A timeline at X as it pages: newest first, exclusive bounds, short pages, empty pages, and a depth.
private struct Timeline {
    var posts: [Int64] = []
    /// Whether the newest post comes first.
    var isSorted = false
    var depth = 800
    /// Whether `since_id` itself is among the posts.
    var isSinceIncluded = false
    /// What every page is cut to; nil for none.
    var shortPage: Int?
    var repeatsTokens = false
    var now: Timestamp

    func page(_ request: TimelineWalk.Request) -> TimelineWalk.Page {
        let visible = (isSorted ? posts : posts.sorted(by: >)).prefix(depth)
        let since = request.since ?? 0
        var matching = visible.filter { isSinceIncluded ? $0 >= since : $0 > since }
        if let until = request.until { matching = matching.filter { $0 < until } }
        let ids = Array(matching.prefix(min(request.count, shortPage ?? .max)))
        let hasMore = repeatsTokens || ids.count < matching.count
        return TimelineWalk.Page(ids: ids, nextToken: hasMore ? "t" : nil, date: now)
    }
}

/// What a poller keeps, in memory.
private struct Stored {
    var mark: TimelineMark?
    var open: OpenWalk?
    var entries: Set<Int64> = []
    var gaps: [TimelineGap] = []
    var pages = 0
    var repeated = 0

    /// Polls until the walk has ended, or `pages` pages were read.
    mutating func poll(_ timeline: Timeline, pages limit: Int = .max, losing isLost: () -> Bool = { false }) {
        var walk = TimelineWalk(.home, mark: mark, open: open, firstPosts: 100)
        var left = limit
        while left > 0, let request = walk.request(budget: 1000, at: timeline.now) {
            (left, pages) = (left - 1, pages + 1)
            #expect(pages < 10_000)
            switch walk.take(timeline.page(request)) {
            case .more(let new, let walk):
                add(new)
                // A crash between storing posts and storing the walk.
                if isLost() { return }
                open = walk
            case .done(let new, let reached, let gap):
                add(new)
                if isLost() { return }
                (mark, open) = (reached, nil)
                if let gap { gaps.append(gap) }
                return
            }
        }
    }

    private mutating func add(_ ids: [Int64]) {
        for id in ids where !entries.insert(id).inserted { repeated += 1 }
    }
}

@Suite(.timeLimit(.minutes(5))) struct TimelineWalkTests {
    private static let start = Timestamp(milliseconds: 1_760_000_000_000)

    private func id(_ seconds: Double, _ sequence: Int64 = 0) -> Int64 {
        (Snowflake.firstID(at: Self.start.advanced(by: .milliseconds(Int64(seconds * 1000)))) ?? 0) + sequence
    }

    @Test func theFirstWalkIsLimitedAndDeclaresNoGap() {
        var timeline = Timeline(now: Self.start.advanced(by: .seconds(1000)))
        timeline.posts = (0..<500).map { id(Double($0)) }
        var stored = Stored()
        stored.poll(timeline)
        #expect(stored.entries == Set((400..<500).map { id(Double($0)) }))
        #expect(stored.pages == 1 && stored.gaps.isEmpty && stored.mark?.completeTo == id(499))
        // Nothing new costs one page of the overlap, of which nothing is stored again.
        stored.poll(timeline)
        #expect(stored.pages == 2 && stored.repeated == 0 && stored.gaps.isEmpty)
    }

    @Test func anEmptyTimelineIsCompleteUpToNow() {
        var timeline = Timeline(now: Self.start)
        var stored = Stored()
        stored.poll(timeline)
        #expect(stored.mark?.completeTo == id(-60) && stored.gaps.isEmpty)
        // More posts than a first walk returns are all stored now.
        timeline.posts = (1...250).map { id(Double($0) / 10) }
        timeline.now = Self.start.advanced(by: .seconds(60))
        stored.poll(timeline)
        #expect(stored.entries.count == 250 && stored.gaps.isEmpty)
    }

    @Test func latePostsBelowTheNewestAreFound() {
        var timeline = Timeline(now: Self.start.advanced(by: .seconds(100)))
        timeline.posts = (0..<50).map { id(Double($0)) }
        var stored = Stored()
        stored.poll(timeline)
        timeline.posts += [id(39.5), id(48.9), id(60)]
        timeline.now = Self.start.advanced(by: .seconds(160))
        stored.poll(timeline)
        #expect(stored.entries == Set(timeline.posts) && stored.repeated == 0 && stored.gaps.isEmpty)
    }

    @Test func theMarkMovesOnlyWhenTheOldMarkIsReached() {
        var timeline = Timeline(now: Self.start.advanced(by: .seconds(10)))
        timeline.posts = [id(0)]
        var stored = Stored()
        stored.poll(timeline)
        timeline.posts += (1...600).map { id(Double($0)) }
        timeline.now = Self.start.advanced(by: .seconds(700))
        stored.poll(timeline, pages: 3)
        #expect(stored.mark?.completeTo == id(0) && stored.open?.next == id(301) && stored.open?.newest == id(600))
        // Newer posts wait for the next walk.
        timeline.posts.append(id(650))
        stored.poll(timeline)
        #expect(stored.mark?.completeTo == id(600) && stored.open == nil && !stored.entries.contains(id(650)))
        stored.poll(timeline)
        #expect(stored.entries == Set(timeline.posts) && stored.repeated == 0 && stored.gaps.isEmpty)
    }

    @Test func moreThanTheDepthBetweenTwoPollsIsAGapWithItsBounds() {
        var timeline = Timeline(now: Self.start.advanced(by: .seconds(10)))
        timeline.posts = [id(0)]
        var stored = Stored()
        stored.poll(timeline)
        timeline.posts += (1...1000).map { id(Double($0)) }
        timeline.now = Self.start.advanced(by: .seconds(2000))
        stored.poll(timeline)
        #expect(stored.gaps == [TimelineGap(from: id(-60), to: id(201), cause: .depth)])
        #expect(stored.entries.count == 801 && stored.mark?.completeTo == id(1000))
    }

    @Test func aMarkOlderThanSevenDaysWithoutItsPostIsAGap() {
        var timeline = Timeline(now: Self.start)
        timeline.posts = [id(-10)]
        var stored = Stored()
        stored.poll(timeline)
        let days = 8 * 86_400.0
        timeline.posts = [id(days)]
        timeline.now = Self.start.advanced(by: .seconds(8 * 86_400 + 5))
        stored.poll(timeline)
        #expect(stored.gaps == [TimelineGap(from: id(-70), to: id(days), cause: .depth)])
        // X may reject an id of that age, so the walk ends by itself, and keeps nothing below its floor.
        let old = TimelineMark(completeTo: id(-10), recent: [id(-10)])
        var walk = TimelineWalk(.home, mark: old, open: nil, firstPosts: 100)
        #expect(walk.request(budget: 100, at: timeline.now)?.since == nil)
        #expect(walk.request(budget: 100, at: Self.start)?.since == id(-70))
        let step = walk.take(.init(ids: [id(days), id(-10), id(-500)], nextToken: "t", date: timeline.now))
        guard case .done(let new, _, nil) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(new == [id(days)])
        // The same with the mark's post still there, or after a day, is none.
        for posts in [[id(-10), id(days)], [id(86_400)]] {
            var again = Stored()
            again.mark = TimelineMark(completeTo: id(-10), recent: [id(-10)])
            timeline.posts = posts
            timeline.now = (Snowflake.timestamp(of: posts.last ?? 0) ?? Self.start).advanced(by: .seconds(5))
            again.poll(timeline)
            #expect(again.gaps.isEmpty && again.mark?.completeTo == posts.last)
        }
    }

    @Test func anInterruptedWalkCountsItsEmptyPagesAgain() {
        let mark = TimelineMark(completeTo: id(0), recent: [id(0)])
        let open = OpenWalk(newest: id(50), next: id(40), floor: id(-60), posts: 10, idle: 2, recent: [id(50)])
        var walk = TimelineWalk(.home, mark: mark, open: open, firstPosts: 100)
        let empty = TimelineWalk.Page(ids: [], nextToken: "t", date: Self.start.advanced(by: .seconds(60)))
        for _ in 1..<TimelineWalk.mostIdle {
            guard case .more = walk.take(empty) else {
                Issue.record("the walk has ended")
                return
            }
        }
        guard case .done(_, let reached, let gap) = walk.take(empty) else {
            Issue.record("the walk has no end")
            return
        }
        #expect(reached.completeTo == id(50) && gap == TimelineGap(from: id(-60), to: id(40), cause: .noProgress))
    }

    @Test func manyPostsAfterAQuietTimeAreNoGap() {
        var timeline = Timeline(now: Self.start.advanced(by: .seconds(405)))
        timeline.posts = [id(0), id(200), id(400)]
        var stored = Stored()
        stored.poll(timeline)
        timeline.posts += (1...400).map { id(400 + Double($0)) }
        timeline.now = Self.start.advanced(by: .seconds(900))
        stored.poll(timeline, pages: 3)
        stored.poll(timeline)
        #expect(stored.entries == Set(timeline.posts) && stored.gaps.isEmpty && stored.open == nil)
    }

    @Test func aBusyOverlapThatIsCutIsAGapAndOneThatIsWholeIsNone() {
        var timeline = Timeline(now: Self.start.advanced(by: .seconds(55)))
        timeline.depth = 100_000
        timeline.posts = [id(0)]
        var stored = Stored()
        stored.poll(timeline)
        timeline.posts += (1...900).map { id(1 + Double($0) / 18) }
        stored.poll(timeline)
        #expect(stored.entries.count == 901 && stored.mark?.recent.count == TimelineMark.mostRecent)
        // A late post among the oldest of the overlap is found, although more posts are known than are kept.
        timeline.posts += [id(1.51), id(56)]
        timeline.now = Self.start.advanced(by: .seconds(60))
        stored.poll(timeline, pages: 3)
        stored.poll(timeline)
        #expect(stored.entries == Set(timeline.posts) && stored.gaps.isEmpty)
        // When X cuts the overlap, it is not known what was in it.
        timeline.posts.append(id(57))
        timeline.depth = 850
        stored.poll(timeline)
        #expect(stored.gaps.count == 1)
    }

    @Test func pagesWithoutEndStopAfterThreeWithoutANewPost() {
        var timeline = Timeline(now: Self.start.advanced(by: .seconds(10)))
        timeline.posts = [id(0)]
        var stored = Stored()
        stored.poll(timeline)
        timeline.posts = [id(5), id(6)]
        timeline.repeatsTokens = true
        stored.poll(timeline)
        #expect(stored.pages == 1 + 1 + TimelineWalk.mostIdle)
        #expect(stored.gaps == [TimelineGap(from: id(-60), to: id(5), cause: .noProgress)])
        #expect(stored.mark?.completeTo == id(6))
        // With the mark's post among them nothing is missing.
        timeline.posts = [id(5), id(6), id(7)]
        stored.poll(timeline)
        #expect(stored.gaps.count == 1 && stored.mark?.completeTo == id(7))
    }

    /// Random timelines, interrupted walks, late posts, short pages: everything is stored but declared gaps.
    @Test(arguments: 0..<60) func randomHistoriesMissNothing(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var timeline = Timeline(now: Self.start)
        timeline.depth = Int.random(in: 800...1200, using: &random)
        timeline.isSinceIncluded = Bool.random(using: &random)
        var stored = Stored()
        var history = History(random: random)
        stored.poll(timeline)
        for _ in 0..<25 {
            history.pass(&timeline)
            timeline.shortPage = Bool.random(using: &random) ? Int.random(in: 5...60, using: &random) : nil
            let pages = Bool.random(using: &random) ? Int.random(in: 1...4, using: &random) : Int.max
            stored.poll(timeline, pages: pages) { Int.random(in: 0..<6, using: &random) == 0 }
        }
        history.end(&timeline)
        stored.poll(timeline)
        stored.poll(timeline)
        let declared = { (id: Int64) in stored.gaps.contains { $0.from < id && id < $0.to } }
        let missing = history.offered.subtracting(stored.entries).filter { !declared($0) }
        #expect(missing.isEmpty, "seed \(seed): \(missing.count) of \(history.offered.count) posts are missing")
        #expect(stored.open == nil)
    }

    /// Posts as they are made: some are shown up to 10 s late.
    private struct History {
        var random: SplitMix64
        var offered: Set<Int64> = []
        var late: [(show: Double, id: Int64)] = []
        var second = 0.0

        mutating func pass(_ timeline: inout Timeline) {
            let count = Int.random(in: 0...(Bool.random(using: &random) ? 20 : 400), using: &random)
            let span = Double.random(in: 1...120, using: &random)
            for _ in 0..<count {
                let moment = second + Double.random(in: 0..<span, using: &random)
                let made = TimelineWalkTests.start.advanced(by: .milliseconds(Int64(moment * 1000)))
                let new = (Snowflake.firstID(at: made) ?? 0) + Int64.random(in: 0..<4000, using: &random)
                guard offered.insert(new).inserted else { continue }
                if Int.random(in: 0..<10, using: &random) == 0 {
                    late.append((moment + Double.random(in: 0...10, using: &random), new))
                } else {
                    timeline.posts.append(new)
                }
            }
            second += span
            timeline.posts += late.filter { $0.show <= second }.map(\.id)
            late.removeAll { $0.show <= second }
            timeline.posts.sort(by: >)
            timeline.isSorted = true
            timeline.now = TimelineWalkTests.start.advanced(by: .milliseconds(Int64(second * 1000)))
        }

        mutating func end(_ timeline: inout Timeline) {
            timeline.posts = (timeline.posts + late.map(\.id)).sorted(by: >)
            late = []
            timeline.now = TimelineWalkTests.start.advanced(by: .seconds(Int64(second) + 30))
        }
    }
}
