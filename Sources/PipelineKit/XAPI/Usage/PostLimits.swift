import Core

/// How many posts may be received, and paid, in a day and in a billing cycle.
package struct PostLimits: Equatable, Sendable {
    private static let posts = Setting.Kind.count(1...1_000_000_000_000)

    /// Nil: any number.
    package var perDay: Int64?
    package var perMonth: Int64?
    /// The day of the month on which X's billing cycle begins; a shorter month begins it on its last.
    package var resetDay = 1

    package static let perDaySetting = Setting(
        "MAX_POSTS_PER_DAY", flag: "max-posts-per-day", posts, unset: "no limit", value: "posts",
        "Stop reading before this number of posts was received on a day (UTC)")
    package static let perMonthSetting = Setting(
        "MAX_POSTS_PER_MONTH", flag: "max-posts-per-month", posts, unset: "no limit", value: "posts",
        "Stop reading before this number of posts was received in a billing cycle")
    package static let resetDaySetting = Setting(
        "X_CAP_RESET_DAY", .count(1...31), default: "1",
        "Day of the month on which the billing cycle begins; `tweet-producer usage` shows it")
    package static let settings = [perDaySetting, perMonthSetting, resetDaySetting]

    /// A limit that is reached.
    package struct Closing: Equatable, Sendable {
        /// `MAX_POSTS_PER_DAY` or `MAX_POSTS_PER_MONTH`.
        package let setting: String
        package let limit: Int64
        package let posts: Int64
        /// When the next window opens.
        package let until: Timestamp
    }

    package init(perDay: Int64? = nil, perMonth: Int64? = nil, resetDay: Int = 1) {
        self.perDay = perDay
        self.perMonth = perMonth
        self.resetDay = resetDay
    }

    /// Reads the settings; mistakes are added to the reader's.
    package init(_ reader: inout SettingsReader) {
        perDay = reader.optionalInt(Self.perDaySetting).map { Int64($0) }
        perMonth = reader.optionalInt(Self.perMonthSetting).map { Int64($0) }
        resetDay = reader.int(Self.resetDaySetting)
    }

    /// The limit that forbids reading now; the one that lasts longer when both do. Nil when reading is allowed.
    ///
    /// - Parameters:
    ///   - counter: what was received.
    ///   - more: posts that something is about to cost.
    ///   - now: the time.
    /// - Returns: the limit, and when its next window opens.
    package func closing(_ counter: PostCounter, more: Int64 = 0, at now: Timestamp) -> Closing? {
        let month = perMonth.flatMap { limit in
            closing(
                Self.perMonthSetting, limit, counter.charged(since: firstDay(at: now)) + more,
                until: nextFirstDay(at: now))
        }
        if let month { return month }
        return perDay.flatMap { limit in
            closing(Self.perDaySetting, limit, counter.charged(since: now.day) + more, until: now.day + 1)
        }
    }

    /// Posts that are under way when we hang up are paid as well: as many as X sends in a second at most, or a hundredth.
    private func closing(_ setting: Setting, _ limit: Int64, _ posts: Int64, until day: Int64) -> Closing? {
        guard posts >= limit - min(250, limit / 100) else { return nil }
        return Closing(
            setting: setting.title, limit: limit, posts: posts, until: Timestamp(milliseconds: day * 86_400_000))
    }

    private func nextFirstDay(at now: Timestamp) -> Int64 {
        UsageForecast.nextReset(day: resetDay, after: now.day)
    }

    /// The first day of the cycle (days since 1970): the latest from which on the next cycle begins when this one does.
    package func firstDay(at now: Timestamp) -> Int64 {
        let next = nextFirstDay(at: now)
        // A cycle has at most 31 days; the first of them is the first one whose next reset is this one's.
        var day = now.day
        while day > next - 32, UsageForecast.nextReset(day: resetDay, after: day - 1) == next { day -= 1 }
        return day
    }
}

extension PostLimits.Closing: CustomStringConvertible {
    /// `990 of 1000 posts (MAX_POSTS_PER_DAY (--max-posts-per-day)); reading goes on at 2026-11-22T00:00:00.000Z`.
    package var description: String {
        "\(posts) of \(limit) posts (\(setting)); reading continues at \(until)"
    }
}
