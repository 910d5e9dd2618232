/// A number with a comma between each three digits.
package func groupedDigits(_ number: Int64) -> String {
    let digits = Array(String(number.magnitude))
    var result = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
        result.append(digit)
    }
    return result
}

/// A number and what it counts: `1 gap`, `2 gaps`.
///
/// - Parameters:
///   - count: how many.
///   - noun: for one; its plural ends with an s.
/// - Returns: both.
package func counted(_ count: some BinaryInteger, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// A length of time for people, in one unit: `12 s`, `7 min`, `3 h`, `2 d`.
///
/// - Parameter seconds: how long.
/// - Returns: the text; seconds up to two minutes, minutes up to two hours, and so on.
package func shortAge(_ seconds: Int64) -> String {
    switch seconds {
    case ..<120: "\(seconds) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86_400) d"
    }
}
