import Core
import Foundation
import Logging
import Sandbox
import TestSupport
import Testing
import XAPI

/// What X holds, whatever it is, comes out of an exported file as it went in.
@Suite(.serialized, .timeLimit(.minutes(4))) struct XRulesExportTests {
    private static let oddTexts = [
        "#x", "@x", "~", "null", "Null", "yes", "no", "on", "1e3", "0x10", "1_000", ".inf", "2024-01-01", "12:30:45",
        ": ", " :",
        "a: b", "a #b", "- a", "-", "? a", "[a]", "{a: b}", "a, b", "*a", "&a", "!a", "|", ">", "%x", "`x`", "=", "<<",
        "---",
        "...", "'", "''", "\"", "\"\"", "'a' \"b\"", "\\", "a\\nb", "%41", " a", "a ", "  a  ", "\ta", "a\tb", "a\nb",
        "a\r\nb",
        "\na", "a\n", "a\n\n b", "\u{85}a", "a\u{2028}b", "\u{feff}a", "a\u{feff}", "\u{fffe}", "\u{ffff}b",
        "\u{1fffe}", "\u{7f}",
        "\u{1}a", "\u{9b}m", "\u{e000}", "😻", "👨‍👩‍👧‍👦", "cafe\u{301}", "caf\u{e9}", "猫", "\u{202e}abc", "\u{a0}a",
        "\u{3000}",
        "(a", "a)", "-a", "OR", "a OR", "zzz:1", "has:everything", "from:", "lang:??", "a b OR c", "value: a",
        "\u{10ffff}",
    ]

    private func oddText(_ random: inout SplitMix64) -> String {
        let count = Int.random(in: 1...4, using: &random)
        return (0..<count).compactMap { _ in Self.oddTexts.randomElement(using: &random) }
            .joined(separator: ["", " ", "\n"].randomElement(using: &random) ?? "")
    }

    /// Every odd text alone and hundreds of mixtures, each value once by its bytes, under tags as odd as the values.
    private func oddRules(seed: UInt64, prefix: String) -> [(value: String, tag: String?)] {
        var random = SplitMix64(seed: seed)
        var known: Set<[UInt8]> = []
        let values = Self.oddTexts + (0..<600).map { _ in oddText(&random) } + [String(repeating: "a", count: 3000)]
        return values.filter { known.insert(Array($0.utf8)).inserted }.map { value in
            let tag = ([nil, "", "null", "123"] + [oddText(&random)]).randomElement(using: &random) ?? nil
            return (value, prefix.isEmpty ? tag : prefix + (tag ?? ""))
        }
    }

    @Test(arguments: ["", "team: #"]) func anExportedFileHasNothingToDo(_ prefix: String) async throws {
        let simulator = XSimulator()
        try await simulator.start()
        let settings = XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken)))
        let ownership = RuleOwnership(prefix: prefix)
        for seed: UInt64 in 1...3 {
            let rules = oddRules(seed: seed, prefix: prefix)
            #expect(rules.count > 400)
            simulator.holdRules(rules + (prefix.isEmpty ? [] : [("others", "theirs"), ("others 2", nil)]))
            try await blocking {
                let ours = try XRules(settings).list().filter(ownership.owns)
                #expect(ours.count == rules.count)
                let wanted = ours.map { WantedRule(value: $0.value, tag: ownership.fileTag($0.tag)) }
                let file = RulesFile(path: "exported.yaml", text: RulesFile.text(wanted), plan: .selfServe)
                let application = RuleApplication(
                    settings, ownership: ownership, plan: .selfServe, logger: Logger(label: "test"))
                let plan = try application.compare(file.rules)
                #expect(
                    plan.isEmpty && plan.kept.count == rules.count, "\(plan.summary): \(plan.added), \(plan.removed)")
                try file.requireGood(beside: plan.held)
            }
        }
        await simulator.stop()
    }
}
