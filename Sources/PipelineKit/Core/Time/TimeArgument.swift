/// Calendar months, as in `12months` or `2years`.
package struct MonthSpan: Equatable, Sendable {
    package let months: Int

    /// Reads a number of `month`, `months`, `year` or `years`; nil for anything else.
    package init?(_ text: String) {
        let digits = text.prefix(while: \.isASCIIDigit)
        guard let number = Int(digits), number <= 10_000,
            let factor = ["month": 1, "months": 1, "year": 12, "years": 12][text.dropFirst(digits.count)]
        else { return nil }
        months = number * factor
    }
}

extension Duration {
    /// Reads a span: `2h`, `30d`, or `12months`, `2years`, with 31 days a month and 366 a year, so that it is never shorter
    /// than the calendar's. Nil for anything else.
    package init?(span text: String) {
        if let duration = Duration(setting: text) {
            self = duration
        } else if let span = MonthSpan(text) {
            self = .seconds(86_400 * (366 * (span.months / 12) + 31 * (span.months % 12)))
        } else {
            return nil
        }
    }
}

extension Timestamp {
    /// What `init(argument:)` reads, as messages say it.
    package static let argumentForm =
        "a time such as 2026-11-20T08:15:30Z, a date such as 2026-11-20, or a span before now such as 2h, 30d, 12months"

    /// Reads a point in time of a command line: RFC 3339 in UTC, a date (its beginning in UTC), or a span before `now`.
    package init?(argument text: String, now: Timestamp = .now()) {
        if let time = Timestamp(text) ?? Timestamp(text + "T00:00:00Z") {
            self = time
        } else if let span = MonthSpan(text) {
            self = now.advanced(byMonths: -span.months)
        } else if let duration = Duration(setting: text) {
            self = now.advanced(by: .zero - duration)
        } else {
            return nil
        }
    }

    /// The same time of day a number of months later; in a shorter month its last day.
    private func advanced(byMonths months: Int) -> Timestamp {
        let days = (Double(milliseconds) / 86_400_000).rounded(.down)
        let date = CivilDate(daysSince1970: Int64(days))
        let count = Int(date.year) * 12 + date.month - 1 + months
        let (year, month) = (Int64((Double(count) / 12).rounded(.down)), (count % 12 + 12) % 12 + 1)
        let first = CivilDate(year: year, month: month, day: 1).daysSince1970
        let next = CivilDate(year: month == 12 ? year + 1 : year, month: month % 12 + 1, day: 1).daysSince1970
        let day = min(Int64(date.day), next - first)
        return Timestamp(milliseconds: milliseconds + (first + day - 1 - Int64(days)) * 86_400_000)
    }
}
