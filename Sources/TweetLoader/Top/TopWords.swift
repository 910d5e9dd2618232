import Core
import Operations

/// Numbers as `top` writes them: what is not known is `?`, and 0 is 0.
enum TopWords {
    /// A rate: `0`, `0.4`, `11.4`, `2,310`, `143k`.
    static func rate(_ value: Double?) -> String {
        guard let value = sane(value) else { return "?" }
        switch value {
        case ..<0.05: return value > 0 ? "<0.1" : "0"
        case ..<99.95: return tenths(value)
        case ..<99_999.5: return groupedDigits(Int64(value.rounded()))
        default: return number(value)
        }
    }

    /// A count: `0`, `1,213`, `1,213,000`, `12.3M`.
    static func number(_ value: Double?) -> String {
        guard let value = sane(value) else { return "?" }
        switch value.magnitude {
        case ..<99_999.5: return groupedDigits(Int64(value.rounded()))
        case ..<9_999_500: return "\(groupedDigits(Int64((value / 1000).rounded())))k"
        case ..<9_999_500_000: return tenths(value / 1e6) + "M"
        default: return tenths(value / 1e9) + "G"
        }
    }

    /// A time that has passed: `0 s`, `4 s`, `7 min`.
    static func age(_ seconds: Double?) -> String {
        guard let seconds, seconds.isFinite else { return "?" }
        return shortAge(Int64(min(max(0, seconds), 1e12)))
    }

    /// A size: `812 B`, `7.1 GiB`.
    static func bytes(_ value: Double?) -> String {
        guard var value = sane(value) else { return "?" }
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var unit = 0
        while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return "\(unit == 0 ? "\(Int64(value))" : tenths(value)) \(units[unit])"
    }

    /// An amount: `$6,065.00`.
    static func dollars(_ value: Double?) -> String {
        guard let value, value.isFinite else { return "?" }
        let cents = Int64((min(max(0, value), 1e15) * 100).rounded())
        return "$\(groupedDigits(cents / 100)).\(cents % 100 < 10 ? "0" : "")\(cents % 100)"
    }

    /// Nil for what no service can mean, and no integer can hold.
    private static func sane(_ value: Double?) -> Double? {
        value.flatMap { $0.magnitude < 1e15 ? $0 : nil }
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return tenths % 10 == 0 && tenths >= 1000
            ? groupedDigits(tenths / 10) : "\(groupedDigits(tenths / 10)).\(tenths.magnitude % 10)"
    }

    /// How an age is shown: up to the limit of `degraded`, and up to that of `failing`.
    static func style(age seconds: Double?, _ limits: HealthLimits = HealthLimits()) -> ScreenLine.Style {
        guard let seconds else { return .dim }
        if seconds > limits.failing / .seconds(1) { return .bad }
        return seconds > limits.degraded / .seconds(1) ? .warning : .plain
    }

    /// A verdict, with a sign that needs no colour.
    static func verdict(_ status: HealthCheck.Status?) -> (text: String, style: ScreenLine.Style) {
        switch status {
        case .ok: ("ok", .ok)
        case .degraded: ("! degraded", .warning)
        case .failing: ("!! failing", .bad)
        case nil: ("?", .dim)
        }
    }
}
