import Core
import FoundationEssentials

/// How many posts X has counted against the account's cap (X: "Usage", `GET /2/usage/tweets`).
package struct PostUsage: Equatable, Sendable {
    /// What the project may read in a billing cycle; nil when X does not say.
    package private(set) var cap: Int64?
    /// What it has read in this one.
    package private(set) var used: Int64?
    /// The day of the month on which the next cycle begins.
    package private(set) var resetDay: Int?
    /// Posts of a day, by days since 1970 (UTC), of all apps of the project.
    package private(set) var daily: [Int64: Int64] = [:]

    /// Asks X.
    ///
    /// - Parameters:
    ///   - settings: how to reach it.
    ///   - stop: a service gives its own, so that the call does not outlive it for long.
    /// - Returns: what X counts.
    /// - Throws: `XError` when the call fails, `wait` when the answer is not understood.
    package static func ask(_ settings: XSettings, stop: Stop? = nil) throws(XError) -> PostUsage {
        let fields = "cap_reset_day,daily_client_app_usage,daily_project_usage,project_cap,project_id,project_usage"
        let body = try XAPI(settings, stop: stop)
            .get("/2/usage/tweets", query: [("days", "31"), ("usage.fields", fields)])
        guard let usage = PostUsage(body) else {
            throw XError(.wait, "X's answer about usage has an unexpected form (\(body.count) bytes)")
        }
        return usage
    }

    /// Reads an answer of either form: an object with the project's sums, or a list of days with what each app consumed.
    package init?(_ body: [UInt8]) {
        guard let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(body)), let data = answer["data"] else {
            return nil
        }
        cap = Self.count(data["project_cap"])
        used = Self.count(data["project_usage"])
        resetDay = data["cap_reset_day"]?.number.flatMap { Int(exactly: $0) }.flatMap {
            (1...31).contains($0) ? $0 : nil
        }
        let project = data["daily_project_usage"].map { $0["usage"]?.elements ?? $0.elements } ?? []
        let apps = (data["daily_client_app_usage"]?.elements ?? []).flatMap { $0["usage"]?.elements ?? [] }
        for day in !project.isEmpty ? project : !apps.isEmpty ? apps : data.elements { add(day) }
        if cap == nil, used == nil, daily.isEmpty { return nil }
    }

    /// A day with its number, or with a list of what each app consumed.
    private mutating func add(_ day: JSONValue) {
        guard let text = day["date"]?.text, let date = Self.day(text) else { return }
        let parts = day["usage"].map { $0.elements.isEmpty ? [$0] : $0.elements } ?? [day]
        let posts = parts.compactMap { Self.count($0["tweets_consumed"] ?? $0["usage"] ?? $0) }.reduce(0, +)
        daily[date, default: 0] += posts
    }

    private static func count(_ value: JSONValue?) -> Int64? {
        value?.number.flatMap { Int64(exactly: $0) }.flatMap { $0 >= 0 ? $0 : nil }
    }

    /// `2026-11-20`, with or without a time behind it.
    private static func day(_ text: String) -> Int64? {
        Timestamp("\(text.prefix(10))T00:00:00Z").map { $0.milliseconds / 86_400_000 }
    }
}

/// What the usage so far means for the rest of the billing cycle.
package struct UsageForecast: Equatable, Sendable {
    /// Posts a day, from the last seven complete days that are known, or from the cycle so far.
    package let postsPerDay: Double?
    /// When the next cycle begins; nil when the day is not known.
    package let reset: Timestamp?
    /// Posts used at the end of the cycle, at this rate.
    package let atReset: Double?
    /// Days until the cap is reached at this rate; nil when it is not reached at all.
    package let daysToCap: Double?
    package let isCapReachedBeforeReset: Bool

    package init(_ usage: PostUsage, now: Timestamp) {
        let today = now.milliseconds / 86_400_000
        let resetDay = usage.resetDay.map { Self.nextReset(day: $0, after: today) }
        let rate = Self.rate(usage, today: today, resetDay: resetDay)
        postsPerDay = rate
        reset = resetDay.map { Timestamp(milliseconds: $0 * 86_400_000) }
        let daysLeft = reset.map { Double($0.milliseconds - now.milliseconds) / 86_400_000 }
        atReset = usage.used.flatMap { used in rate.flatMap { rate in daysLeft.map { Double(used) + rate * $0 } } }
        if let cap = usage.cap, let used = usage.used, let rate, rate > 0 {
            daysToCap = max(0, Double(cap - used) / rate)
        } else {
            daysToCap = nil
        }
        isCapReachedBeforeReset = daysToCap.flatMap { days in daysLeft.map { days < $0 } } ?? false
    }

    private static func rate(_ usage: PostUsage, today: Int64, resetDay: Int64?) -> Double? {
        // Today is not over, so it would make the rate too small.
        let complete = (1...7).compactMap { usage.daily[today - $0] }
        if !complete.isEmpty { return Double(complete.reduce(0, +)) / Double(complete.count) }
        guard let used = usage.used, let resetDay else { return nil }
        return Double(used) / Double(max(1, today - (resetDay - 30)))
    }

    /// The first day, as days since 1970, that begins a new cycle; a month that lacks the day begins it on its last.
    package static func nextReset(day: Int, after today: Int64) -> Int64 {
        var month = CivilDate(daysSince1970: today)
        for _ in 0..<3 {
            let length = lengthOfMonth(month)
            let candidate = CivilDate(year: month.year, month: month.month, day: min(day, length)).daysSince1970
            if candidate > today { return candidate }
            month =
                month.month == 12
                ? CivilDate(year: month.year + 1, month: 1, day: 1)
                : CivilDate(year: month.year, month: month.month + 1, day: 1)
        }
        return today + 31
    }

    private static func lengthOfMonth(_ date: CivilDate) -> Int {
        let next =
            date.month == 12
            ? CivilDate(year: date.year + 1, month: 1, day: 1)
            : CivilDate(year: date.year, month: date.month + 1, day: 1)
        return Int(next.daysSince1970 - CivilDate(year: date.year, month: date.month, day: 1).daysSince1970)
    }
}
