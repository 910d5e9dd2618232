import Core
import TweetFormat

/// How far a timeline is complete.
struct TimelineMark: Equatable, Sendable {
    /// Everything up to this id is stored, apart from declared gaps.
    var completeTo: Int64
    /// The newest stored ids, which the next walk meets unless something is missing. In falling order.
    var recent: [Int64]

    /// X lets posts appear this long below the newest one; 4 s were seen.
    static let overlap = Duration.seconds(60)
    /// A busy timeline has some hundred posts in the overlap.
    static let mostRecent = 500
    /// However old they are: the newest may be deleted.
    static let fewestRecent = 3

    /// The id that the next walk ends at: that of the overlap's begin.
    var floor: Int64 { Self.id(of: completeTo, minus: Self.overlap) }

    /// The lowest id that was made a duration before another one.
    static func id(of id: Int64, minus duration: Duration) -> Int64 {
        guard let time = Snowflake.timestamp(of: id) else { return max(id - 1, 1) }
        return Snowflake.firstID(at: time.advanced(by: .zero - duration)) ?? id
    }

    /// The mark when a walk has ended.
    ///
    /// - Parameters:
    ///   - newest: the highest id of the walk.
    ///   - stored: ids that are stored, of this walk and of those before, in any order.
    init(newest: Int64, stored: some Sequence<Int64>) {
        completeTo = newest
        recent = Self.recent(among: stored, below: newest)
    }

    /// The newest of some ids: those of the overlap, and three at least; of too many the newest, and the oldest one.
    ///
    /// - Parameters:
    ///   - ids: in any order.
    ///   - newest: where the overlap ends.
    /// - Returns: in falling order.
    static func recent(among ids: some Sequence<Int64>, below newest: Int64) -> [Int64] {
        let floor = id(of: newest, minus: overlap)
        let sorted = Set(ids).filter { $0 <= newest }.sorted(by: >)
        let inside = sorted.prefix { $0 >= floor }
        guard inside.count >= fewestRecent else { return Array(sorted.prefix(fewestRecent)) }
        guard let oldest = inside.last, inside.count > mostRecent else { return Array(inside) }
        // The oldest one proves, when it comes again, that nothing of the overlap was cut.
        return inside.prefix(mostRecent - 1) + [oldest]
    }

    init(completeTo: Int64, recent: [Int64]) { (self.completeTo, self.recent) = (completeTo, recent) }
}

/// A walk that has not reached its floor: what must be kept between two calls, and over a crash.
struct OpenWalk: Equatable, Sendable {
    /// The highest id of the walk.
    var newest: Int64
    /// The walk continues below this id.
    var next: Int64
    /// The walk ends at this id; nil for the first one of a timeline.
    var floor: Int64?
    /// Posts that it has returned.
    var posts = 0
    /// Pages in a row that brought neither a new post nor a lower one.
    var idle = 0
    /// Its newest ids, as `TimelineMark.recent`.
    var recent: [Int64] = []
}

/// A part of a timeline that X no longer returned.
struct TimelineGap: Equatable, Sendable {
    enum Cause: String, Sendable {
        /// The timeline is longer than X returns.
        case depth
        /// X repeated pages without a new post.
        case noProgress = "no_progress"
    }

    /// Everything up to this id is stored.
    let from: Int64
    /// Everything from this id on is stored.
    let to: Int64
    let cause: Cause
}
