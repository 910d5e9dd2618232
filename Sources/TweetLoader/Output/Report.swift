import FoundationEssentials

/// What a command answers: tables for people, JSON for programs.
protocol Report: Encodable {
    /// For people.
    var text: String { get }
}

extension Report {
    /// One JSON object; on several lines unless `isCompact`.
    func json(isCompact: Bool = false) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if !isCompact { encoder.outputFormatting.insert(.prettyPrinted) }
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

/// SQL that gives a moment as RFC 3339 in UTC with milliseconds, as `Timestamp` does.
func rfc3339(_ moment: String) -> String {
    "to_char(\(moment) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
}

/// A length of time for people: `12 s`, `7 min`, `3 h`, `2 d`.
func shortAge(_ seconds: Int64) -> String {
    switch seconds {
    case ..<120: "\(seconds) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86_400) d"
    }
}

/// A number and what it counts: `1 gap`, `2 gaps`.
func counted(_ count: Int64, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
}
