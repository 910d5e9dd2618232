import Core

/// How many posts usually come, by the hour of the day, and whether it is far too quiet now: a pure value.
///
/// A stream can be alive, with keep-alives, and still deliver nothing (X: "Consuming streaming data" advises to watch the
/// volume). What is usual is learned from the stream itself; each new day counts as much as all before it together.
struct PostPace: Codable, Equatable, Sendable {
    /// A change of the state that is worth telling.
    enum Finding: Equatable {
        /// Far fewer posts arrived than usual.
        case quiet(posts: Int64, usual: Int64, over: Duration)
        /// Posts arrive at the usual rate again.
        case lively(posts: Int64, usual: Int64, over: Duration)
    }

    private struct Hour: Codable, Equatable {
        var posts = 0.0
        var seconds = 0.0
        /// Days since 1970, of the last addition.
        var day: Int64 = 0

        mutating func add(posts: Double, seconds: Double, day: Int64) {
            if day > self.day {
                self.posts /= 2
                self.seconds /= 2
                self.day = day
            }
            self.posts += posts
            self.seconds += seconds
        }
    }

    /// What came since the last judgement.
    private struct Window: Codable, Equatable {
        var posts: Int64 = 0
        var usual = 0.0
        var seconds = 0.0
    }

    private var hours = [Hour](repeating: Hour(), count: 24)
    private var window = Window()
    private(set) var isQuiet = false

    /// Below this, chance alone may bring none.
    private static let leastUsual = 30.0
    /// A tenth of what is usual is too quiet; the hours of a day differ by less within one hour.
    private static let quietShare = 0.1
    private static let livelyShare = 0.2
    /// So many times the shortest judgement must have been learned from.
    private static let leastLearned = 12.0

    /// Takes what came in a stretch of connected time.
    ///
    /// - Parameters:
    ///   - posts: how many came.
    ///   - duration: in how long.
    ///   - now: the end of it.
    ///   - shortest: nothing is judged by less time than this.
    /// - Returns: whether a judgement was made, and what it found.
    mutating func take(
        posts: Int64, over duration: Duration, at now: Timestamp, shortest: Duration
    ) -> (isJudged: Bool, finding: Finding?) {
        let seconds = Double(duration.milliseconds) / 1000
        let begin = now.advanced(by: .zero - duration)
        let hour = Int(begin.milliseconds / 3_600_000 % 24 + 24) % 24
        let usual = usualRate(in: hour, learned: Self.leastLearned * Double(shortest.milliseconds) / 1000)
        window.posts += posts
        window.seconds += seconds
        window.usual += (usual ?? 0) * seconds
        hours[hour].add(posts: Double(posts), seconds: seconds, day: begin.day)
        guard window.seconds * 1000 >= Double(shortest.milliseconds),
            window.usual >= Self.leastUsual || usual == nil
        else { return (false, nil) }
        defer { window = Window() }
        return (true, usual == nil ? nil : judgement())
    }

    private mutating func judgement() -> Finding? {
        let share = Double(window.posts) / window.usual
        let (posts, usual) = (window.posts, Int64(window.usual.rounded()))
        let over = Duration.milliseconds(Int64(window.seconds * 1000))
        if !isQuiet, share < Self.quietShare {
            isQuiet = true
            return .quiet(posts: posts, usual: usual, over: over)
        }
        if isQuiet, share >= Self.livelyShare {
            isQuiet = false
            return .lively(posts: posts, usual: usual, over: over)
        }
        return nil
    }

    /// Posts a second in that hour of the day, else in all hours; nil while too little is known.
    private func usualRate(in hour: Int, learned: Double) -> Double? {
        let all = hours.reduce(into: (posts: 0.0, seconds: 0.0)) { sum, hour in
            sum.posts += hour.posts
            sum.seconds += hour.seconds
        }
        guard all.seconds >= learned, all.posts > 0 else { return nil }
        let known = hours[hour].seconds >= min(learned, 900) ? hours[hour] : nil
        return known.map { $0.posts / $0.seconds } ?? all.posts / all.seconds
    }
}
