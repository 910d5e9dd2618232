import Core
import Foundation
import TestSupport

/// The rules of `deploy/prometheus` with durations that a test can wait for; nothing else of an alert is changed.
///
/// Each replacement names how often it must match, so that a changed rules file fails the test instead of the alert's own
/// expression being left out. What is 300 s becomes 20 s and no less: the loader and the poller read what they publish every 10 s.
enum ShortenedRules {
    private struct Replacement {
        let old: Regex<Substring>
        let new: String
        let count: Int
    }

    private static var replacements: [Replacement] {
        [
            // How long an expression must hold.
            Replacement(old: /for: (?:1m|2m|3m|5m|10m|15m|20m|1h|2h)\n/, new: "for: 3s\n", count: 15),
            // Ages of what is pending, and the lag of timelines.
            Replacement(old: /> 300\b/, new: "> 20", count: 4),
            // X's silence; its keep-alives come every 300 ms here.
            Replacement(old: /timestamp_seconds > 60\n/, new: "timestamp_seconds > 6\n", count: 1),
            // Prometheus divides by the whole range, also where it has samples of its end alone.
            Replacement(old: /x_posts_total\[1d\]/, new: "x_posts_total[30s]", count: 1),
            Replacement(old: /rejects_total\[1h\]/, new: "rejects_total[30s]", count: 1),
            // The producer looks at the disk every 15 s.
            Replacement(old: /available_bytes\[1h\]/, new: "available_bytes[1m]", count: 1),
        ]
    }

    /// The file with the replacements.
    ///
    /// - Throws: `Failure` (badData) that names a replacement that does not match as often as it must; when the file is missing.
    static func text() throws -> String {
        var text = try readTextFile(repository.path + "/deploy/prometheus/tweet-pipeline.rules.yml")
        for replacement in replacements {
            let found = text.matches(of: replacement.old).count
            guard found == replacement.count else {
                throw Failure(.badData, "'\(replacement.new)' replaces \(found) places, not \(replacement.count)")
            }
            text.replace(replacement.old, with: replacement.new)
        }
        let rest = text.matches(of: /for: \d+[mhd]|\[\d+[mhd]\]/).map { String($0.output) }
        guard rest == ["[1m]"] else { throw Failure(.badData, "durations without a replacement: \(rest)") }
        return text
    }
}
