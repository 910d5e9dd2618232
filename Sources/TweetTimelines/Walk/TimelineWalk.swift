import Core
import TweetFormat

/// A walk down a timeline, from its newest post to the mark: which page to request, and what a page means. A pure value.
///
/// The mark moves only when the walk has reached it; until then the walk stays open, and continues where its last stored page
/// ended. The oldest post that was stored in the overlap proves, when it comes again, that X has returned everything above it, as X
/// cuts timelines at their end. Without it, either nothing can have been cut, or a gap is declared.
struct TimelineWalk: Sendable {
    /// What to ask X for.
    struct Request: Equatable, Sendable {
        /// Posts above this id; nil for a first walk, and where X may reject an id because of its age.
        let since: Int64?
        /// Posts below this id; nil from the newest on.
        let until: Int64?
        /// Continues behind a page that brought the walk no further.
        let token: String?
        /// Posts at most.
        let count: Int
    }

    /// A page of X.
    struct Page: Sendable {
        let ids: [Int64]
        let nextToken: String?
        /// When X answered.
        let date: Timestamp
    }

    /// What follows from a page: the posts that are not known to be stored, and how far the walk is.
    enum Step: Equatable, Sendable {
        /// Store the posts and the walk, then request the next page.
        case more(new: [Int64], OpenWalk)
        /// Store the posts, the mark and the gap; the walk has ended.
        case done(new: [Int64], TimelineMark, TimelineGap?)

        /// The posts that are not known to be stored.
        var new: [Int64] {
            switch self {
            case .more(let new, _), .done(let new, _, _): new
            }
        }
    }

    private let kind: TimelineKind
    private let mark: TimelineMark?
    /// Nil before the first page.
    private(set) var open: OpenWalk?
    /// Ids that are stored for certain.
    private var known: Set<Int64>
    private var token: String?
    /// Whether posts may have been added above the walk since it began, so that its length does not show what X has cut.
    private let isResumed: Bool
    /// Posts of the first walk at most.
    private let firstPosts: Int

    /// X's largest page.
    static let pageSize = 100
    /// Pages in a row without a post that the walk has not met, after which X repeats itself.
    static let mostIdle = 3
    /// How old posts X returns for certain.
    static let reach = Duration.seconds(7 * 86_400)

    /// - Parameters:
    ///   - kind: of the timeline.
    ///   - mark: how far it is complete; nil before the first walk has ended.
    ///   - open: a walk that was interrupted.
    ///   - firstPosts: posts of the first walk at most.
    init(_ kind: TimelineKind, mark: TimelineMark?, open: OpenWalk?, firstPosts: Int) {
        (self.kind, self.mark, self.open, self.firstPosts) = (kind, mark, open, firstPosts)
        isResumed = open != nil
        // The token that leads behind an empty page is not stored: X returns the same page again, and that is no repetition of X's.
        self.open?.idle = 0
        known = Set(mark?.recent ?? []).union(open?.recent ?? [])
    }

    /// The next request.
    ///
    /// - Parameters:
    ///   - budget: posts that may be paid now.
    ///   - now: the time.
    /// - Returns: nil when the budget allows no page.
    func request(budget: Int, at now: Timestamp = .now()) -> Request? {
        var count = Self.pageSize
        if mark == nil { count = min(count, max(firstPosts - (open?.posts ?? 0), kind.smallestPage)) }
        count = min(count, budget)
        guard count >= kind.smallestPage else { return nil }
        let until = open.flatMap { $0.next == .max ? nil : $0.next }
        // Without it the walk ends at its floor all the same. X's clock may be an hour ahead.
        let since = floor.flatMap { Self.isInReach($0, at: now.advanced(by: .seconds(3600))) ? $0 : nil }
        return Request(since: since, until: until, token: token, count: count)
    }

    /// Takes a page.
    ///
    /// - Parameter page: X's answer to `request`.
    /// - Returns: what follows.
    mutating func take(_ page: Page) -> Step {
        let lowestWanted = floor ?? 0
        let new = page.ids.filter { $0 > lowestWanted && known.insert($0).inserted }
        var walk = open ?? OpenWalk(newest: mark?.completeTo ?? 0, next: .max, floor: mark?.floor)
        let lowest = min(walk.next, page.ids.min() ?? .max)
        // A page of the overlap has no new post either, but it leads further down.
        let isProgress = !new.isEmpty || lowest < walk.next
        token = lowest < walk.next ? nil : page.nextToken
        walk.newest = max(walk.newest, page.ids.max() ?? 0)
        walk.next = lowest
        walk.posts += page.ids.count
        walk.idle = isProgress ? 0 : walk.idle + 1
        walk.recent = TimelineMark.recent(among: known, below: walk.newest)
        open = walk
        guard hasEnded(page, walk) else { return .more(new: new, walk) }
        return .done(new: new, endMark(walk, page.date), gap(walk, page))
    }

    private var floor: Int64? { open?.floor ?? mark?.floor }

    /// Whether X returns posts of that age for certain.
    private static func isInReach(_ id: Int64, at now: Timestamp) -> Bool {
        Snowflake.timestamp(of: id).map { $0 > now.advanced(by: .zero - reach) } ?? false
    }

    private func hasEnded(_ page: Page, _ walk: OpenWalk) -> Bool {
        if page.nextToken == nil || walk.idle >= Self.mostIdle { return true }
        guard mark != nil else { return firstPosts - walk.posts < kind.smallestPage }
        return walk.floor.map { walk.next <= $0 } ?? false
    }

    /// A timeline that has never had a post is complete up to now, without the overlap.
    private func endMark(_ walk: OpenWalk, _ date: Timestamp) -> TimelineMark {
        guard walk.newest == 0 else { return TimelineMark(newest: walk.newest, stored: known) }
        let now = Snowflake.firstID(at: date.advanced(by: .zero - TimelineMark.overlap)) ?? .max
        return TimelineMark(completeTo: now, recent: [])
    }

    /// What may be missing between the walk's lowest post and the mark; also late posts of the overlap.
    private func gap(_ walk: OpenWalk, _ page: Page) -> TimelineGap? {
        guard let mark, walk.next < .max else { return nil }
        let begin = walk.floor ?? mark.completeTo
        if page.nextToken != nil, walk.next > begin {
            // X repeats itself: what it has returned down to the mark is all there is.
            guard walk.next > mark.completeTo else { return nil }
            return TimelineGap(from: begin, to: walk.next, cause: .noProgress)
        }
        // X cuts timelines at their end: whatever was stored in the overlap came again, unless something was cut.
        let oldest = mark.recent.last { $0 > begin } ?? mark.completeTo
        if walk.next <= max(oldest, begin) { return nil }
        let isInReach = walk.floor.map { Self.isInReach($0, at: page.date) } ?? false
        if isInReach, !isResumed, walk.posts < kind.depth { return nil }
        return TimelineGap(from: begin, to: walk.next, cause: .depth)
    }
}
