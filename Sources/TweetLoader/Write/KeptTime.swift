import ArgumentParser
import Core

/// A number of whole months.
struct KeptTime {
    let months: Int

    /// Reads `12months`, `2years`, or a span such as `90d`, which becomes the months that are never shorter.
    init(argument: String) throws {
        let shortestMonth: Int64 = 28 * 86_400_000
        let span = Duration(setting: argument).map { Int(($0.milliseconds + shortestMonth - 1) / shortestMonth) }
        guard let number = MonthSpan(argument)?.months ?? span, (1...1200).contains(number) else {
            throw ValidationError("'\(argument)' is not a time to keep: months, years or days, such as 12months or 90d")
        }
        months = number
    }
}
