import Core
import TweetFormat

/// A search for tweets in a window of time, the newest first, slice by slice, so that it can stop when its time is over.
struct TweetSearch {
    /// Which tweets are found: all conditions must hold.
    struct Conditions {
        /// A handle without @, or the id of a user.
        var user: String?
        /// Tag or id of a rule.
        var rule: String?
        /// Part of the text.
        var text: String?

        var isEmpty: Bool { user == nil && rule == nil && text == nil }
    }

    /// What was found, and how far the search came.
    struct Result {
        var ids: [Int64] = []
        /// Everything from this moment on was searched.
        var searchedFrom: Timestamp
        /// Whether it stopped because its time was over.
        var isCut = false
    }

    private let session: ConsoleSession
    private let conditions: Conditions
    /// What is left for the rest of the page.
    private static let reserve = Duration.milliseconds(800)
    private static let firstSlice = Duration.seconds(600)

    init(_ session: ConsoleSession, _ conditions: Conditions) {
        (self.session, self.conditions) = (session, conditions)
    }

    static let sql = """
        SELECT t.id FROM public_tweets t
        WHERE t.id >= $1::bigint AND t.id < $2::bigint AND t.matched
            AND ($3::text IS NULL OR lower(t.author_username) = lower($3) OR t.author_id = $4::bigint)
            AND ($5::text IS NULL OR plain_text(coalesce(t.long_text, t.text)) ILIKE $5)
            AND ($6::text IS NULL OR EXISTS (SELECT FROM tweet_rules r
                WHERE r.tweet_id = t.id AND r.tweet_id >= $1::bigint AND r.tweet_id < $2::bigint
                    AND (r.tag = $6 OR r.rule_id = $7::bigint)))
        ORDER BY t.id DESC LIMIT $8::bigint
        """

    /// The parameters of `sql` for a part of the window.
    func parameters(from: Int64, to: Int64, limit: Int) -> [String?] {
        let user = conditions.user.map { $0.hasPrefix("@") ? String($0.dropFirst()) : $0 }
        return [
            "\(from)", "\(to)", user, user.flatMap { Int64($0) }.map { "\($0)" }, conditions.text.map(Self.pattern),
            conditions.rule, conditions.rule.flatMap { Int64($0) }.map { "\($0)" }, "\(limit)",
        ]
    }

    /// Searches from the end of a window to its beginning.
    ///
    /// - Parameters:
    ///   - from: the first moment.
    ///   - to: ids from this one on are not wanted.
    ///   - limit: enough tweets.
    /// - Returns: the ids and how far it came.
    /// - Throws: what the session throws, but for the end of its time.
    func run(from: Timestamp, to: Int64, limit: Int) throws -> Result {
        let floor = Snowflake.firstID(at: from) ?? 0
        var (high, slice) = (to, Self.firstSlice)
        var result = Result(searchedFrom: Snowflake.timestamp(of: to) ?? from)
        while high > floor, result.ids.count < limit {
            let begin = Snowflake.timestamp(of: high)?.advanced(by: .zero - slice) ?? from
            let low = max(floor, begin <= from ? floor : Snowflake.firstID(at: begin) ?? floor)
            let clock = ContinuousClock.now
            do {
                let parameters = parameters(from: low, to: high, limit: limit - result.ids.count)
                let rows = try session.rows(
                    Self.sql, parameters, doing: "search tweets", within: session.timeLeft - Self.reserve)
                result.ids += rows.compactMap { $0.integer(0) }
            } catch is OutOfTime {
                result.isCut = true
                return result
            }
            high = low
            result.searchedFrom = max(from, begin)
            // Few questions for a quick search, and slices that a slow one can stop between.
            slice = clock.duration(to: .now) < .milliseconds(200) ? slice * 4 : slice / 2
        }
        return result
    }

    /// A pattern of ILIKE for a part of a text.
    static func pattern(_ text: String) -> String {
        var scalars = String.UnicodeScalarView("%".unicodeScalars)
        for scalar in text.unicodeScalars {
            if ["%", "_", "\\"].contains(scalar) { scalars.append("\\") }
            scalars.append(scalar)
        }
        scalars.append("%")
        return String(scalars)
    }
}
