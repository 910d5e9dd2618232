import Foundation
import PipelineKit
import Sandbox
import TestSupport
import Testing

@testable import TweetProducer

/// The watch over rules against the simulator's rule book.
@Suite(.timeLimit(.minutes(1))) struct RuleWatchTests {
    private let folder: TemporaryFolder
    private let log = LogRecorder()

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Compares `file` with the rules of a simulator at `now`, and returns the warnings.
    private func warnings(
        _ file: String, _ rules: [(value: String, tag: String?)], now: Timestamp = .now(), prefix: String = "",
        prepare: (RuleMatches, [StreamRule]) -> Void = { _, _ in }
    ) async throws -> [LogRecorder.Line] {
        let simulator = XSimulator()
        try await simulator.start()
        simulator.replaceRules(rules)
        try folder.write(file, to: "rules.yaml")
        let matches = RuleMatches(folder: folder.path)
        prepare(matches, simulator.ruleHistory.last ?? [])
        let watch = RuleWatch(
            settings: RuleWatchSettings(
                x: XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken))),
                file: folder.path + "/rules.yaml", ownership: RuleOwnership(prefix: prefix)),
            matches: matches, stop: Stop(), logger: log.logger)
        await withCheckedContinuation { done in
            Thread.detachNewThread {
                watch.check(now: now)
                done.resume()
            }
        }
        await simulator.stop()
        return log.lines.filter { $0.level >= .warning }
    }

    @Test func saysNothingWhenAllIsWell() async throws {
        let lines = try await warnings("- value: cat\n  tag: a\n", [("cat", "a")])
        #expect(lines.isEmpty)
    }

    @Test func tellsWhatDiffers() async throws {
        let lines = try await warnings(
            "- value: cat\n  tag: a\n- value: dog\n- value: bird\n- value: fish\n",
            [("dog", "o/other"), ("extra", "o/"), ("fish", nil), ("foreign", "x")], prefix: "o/")
        #expect(
            lines.map { "\($0.message): \($0.metadata["values"] ?? "")" } == [
                "rules of the file are missing at X: cat | bird",
                "rules at X have another tag than in the file: dog", "rules at X are not in the file: extra",
                "rules of the file belong to somebody else at X: fish",
            ])
    }

    @Test func tellsRulesThatBringNothing() async throws {
        let week = Duration.seconds(7 * 86_400)
        let now = Timestamp.now()
        let lines = try await warnings(
            "- value: cat\n- value: dog\n", [("cat", nil), ("dog", nil)], now: now.advanced(by: week + .seconds(60))
        ) { matches, rules in
            let cat = rules.filter { $0.value == "cat" }.compactMap { Int64($0.id) }
            matches.count(cat, at: now.advanced(by: .seconds(3600)))
        }
        #expect(lines.map(\.message) == ["rules have brought no post for 168h 0m"])
        #expect(lines.map { $0.metadata["values"] } == ["dog"])
        // What was counted is still known after a new start.
        let text = try String(contentsOfFile: folder.path + "/rule-matches.json", encoding: .utf8)
        #expect(text.contains("\"posts\":1"))
        #expect(
            RuleMatches(folder: folder.path, now: .now().advanced(by: week)).quietSince("1") < now.advanced(by: week))
    }

    @Test func aFileThatCannotBeReadIsAWarning() async throws {
        let lines = try await warnings("- value: 'cat hass:x'\n", [])
        #expect(lines.map(\.message) == ["cannot compare the rules with the file"])
    }

    @Test func aDamagedCountBeginsAnew() throws {
        try folder.write("{\"since\":", to: "rule-matches.json")
        let matches = RuleMatches(folder: folder.path, now: Timestamp(milliseconds: 1000))
        #expect(matches.quietSince("1") == Timestamp(milliseconds: 1000))
        #expect(matches.posts(of: "1") == 0)
    }

    @Test func keysTellWhichRulesMatched() {
        var key = TweetKey()
        let line =
            #"{"data":{"id":"1","text":"\"matching_rules\":[{\"id\":\"9\"}]"},"matching_rules":[{"id":"7","tag":"a"},{"id":8}]}"#
        #expect(unsafe Array(line.utf8).withBytes { unsafe key.key(of: $0) } == 1)
        #expect(key.matchingRules == [7, 8])
        #expect(unsafe Array("{}".utf8).withBytes { unsafe key.key(of: $0) } == nil)
        #expect(key.matchingRules.isEmpty)
    }
}
