import Core
import Foundation
import Logging
import Sandbox
import TestSupport
import Testing
import XAPI

/// Rules of a file against the rule book of the simulator, judged by its record after each call.
@Suite(.serialized, .timeLimit(.minutes(5))) struct XRuleApplicationTests {
    private typealias Rule = (value: String, tag: String?)

    private struct Case {
        let existing: [Rule]
        let wanted: [WantedRule]
        let prefix: String

        /// Values that X has and shall go on having: one of ours, wanted again under any tag.
        var lasting: Set<String> { Set(existing.map(\.value)).intersection(wanted.map(\.value)) }

        /// What X must hold at the end, by value.
        var result: [String: String?] {
            var result: [String: String?] = [:]
            for rule in existing where rule.tag?.hasPrefix(prefix) != true && !prefix.isEmpty {
                result[rule.value] = rule.tag
            }
            for rule in wanted {
                let tag = prefix + (rule.tag ?? "")
                result[rule.value] = .some(tag.isEmpty ? nil : tag)
            }
            return result
        }
    }

    /// A random starting state with rules of ours and of others, wrong tags and left stand-ins, and a random file.
    private func randomCase(_ random: inout SplitMix64) -> Case {
        let prefix = Bool.random(using: &random) ? "ours/" : ""
        let values = [
            "cat", "dog", "#bird", "from:fish", "cat has:images", "(horse OR cow) lang:en", "\"a b\"", "snow -ice",
        ]
        let tags: [String?] = [nil, "a", "b"]
        var existing: [Rule] = []
        var wanted: [WantedRule] = []
        for value in values {
            for form in [value, "(\(value))"] where Int.random(in: 0..<(form == value ? 2 : 6), using: &random) == 0 {
                let tag = tags.randomElement(using: &random) ?? nil
                let stored = prefix + (tag ?? "")
                existing.append((form, stored.isEmpty ? nil : stored))
            }
            if Bool.random(using: &random) {
                wanted.append(WantedRule(value: value, tag: tags.randomElement(using: &random) ?? nil))
            }
        }
        if !prefix.isEmpty { existing += [("others one", "theirs"), ("others two", nil)] }
        return Case(
            existing: existing.shuffled(using: &random), wanted: wanted.shuffled(using: &random), prefix: prefix)
    }

    /// Without the parentheses that a stand-in has around it.
    private func core(_ value: String) -> String {
        var value = value
        while value.hasPrefix("("), value.hasSuffix(")"),
            !value.dropFirst().dropLast().contains("(") || value.hasPrefix("((")
        {
            value = String(value.dropFirst().dropLast())
        }
        return value
    }

    private func apply(_ test: Case, _ x: XSettings) throws {
        let application = RuleApplication(
            x, ownership: RuleOwnership(prefix: test.prefix), plan: .selfServe, logger: Logger(label: "test"))
        try application.apply(try application.compare(test.wanted), wanted: test.wanted)
    }

    /// At no moment a rule that stays was away, and no rule of others was touched.
    private func expectNoHole(_ test: Case, _ simulator: XSimulator, _ what: String) {
        let theirs = test.existing.filter { !test.prefix.isEmpty && $0.tag?.hasPrefix(test.prefix) != true }
        for (call, rules) in simulator.ruleHistory.enumerated() {
            let present = Set(rules.map { core($0.value) })
            for value in test.lasting where !present.contains(core(value)) {
                Issue.record("\(what): after call \(call), '\(value)' is away: \(rules.map(\.value))")
            }
            for rule in theirs where !rules.contains(where: { $0.value == rule.value && $0.tag == rule.tag }) {
                Issue.record("\(what): after call \(call), a rule of others is touched: \(rule)")
            }
        }
    }

    private func expectResult(_ test: Case, _ simulator: XSimulator, _ what: String) {
        let rules = simulator.ruleHistory.last ?? []
        let result = Dictionary(rules.map { ($0.value, $0.tag) }) { first, _ in first }
        if result != test.result { Issue.record("\(what): X has \(result), wanted \(test.result)") }
    }

    private func withSimulator(_ body: @escaping @Sendable (XSimulator, XSettings) throws -> Void) async throws {
        var configuration = XSimulator.Configuration()
        configuration.enforcesRateLimits = false
        let simulator = XSimulator(configuration)
        try await simulator.start()
        let x = XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken)))
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await blocking { try body(simulator, x) }) } catch { outcome = .failure(error) }
        await simulator.stop()
        try outcome.get()
    }

    /// `make soak` asks for 1,000; a run under a sanitizer may take fewer.
    private static let states = ProcessInfo.processInfo.environment["RULE_STATES"].flatMap { Int($0) } ?? 300

    @Test func convergesFromAnyState() async throws {
        try await withSimulator { simulator, x in
            var random = SplitMix64(seed: 1)
            for round in 0..<Self.states {
                let test = randomCase(&random)
                simulator.replaceRules(test.existing)
                try apply(test, x)
                expectNoHole(test, simulator, "round \(round)")
                expectResult(test, simulator, "round \(round)")
            }
        }
    }

    @Test(arguments: [Fault.Kind.refuse, .lostAnswer])
    func f28ConvergesAfterACallThatFails(_ kind: Fault.Kind) async throws {
        try await withSimulator { simulator, x in
            var random = SplitMix64(seed: 2)
            var failed = 0
            #expect(Self.states > 0)
            for round in 0..<min(25, Self.states) {
                let test = randomCase(&random)
                for index in 0..<30 {
                    simulator.replaceRules(test.existing)
                    simulator.inject(Fault(kind, after: index, endpoint: "rules"))
                    var hasFailed = false
                    do { try apply(test, x) } catch is XError { hasFailed = true }
                    expectNoHole(test, simulator, "round \(round), failure at \(index)")
                    guard hasFailed else { break }
                    failed += 1
                    try apply(test, x)
                    expectNoHole(test, simulator, "round \(round), after the failure at \(index)")
                    expectResult(test, simulator, "round \(round), failure at \(index)")
                }
            }
            #expect(failed > 4 * min(25, Self.states))
        }
    }

    @Test func estimatesByCounts() async throws {
        try await withSimulator { simulator, x in
            simulator.counts = ["cat": 7000, "cat has:images": 700]
            let estimates = try RuleEstimator(x, plan: .selfServe).estimate([
                "cat", "sample:10 cat has:images", "cat bio:x", "dog", "a" + String(repeating: "b", count: 600),
            ])
            #expect(estimates.map { $0.posts.map { ($0 * 100).rounded() / 100 } } == [30_000, 300, nil, 0, nil])
            #expect(estimates[2].outcome == .unknown("X's counts do not know bio:"))
            #expect(simulator.countedQueries == ["cat", "cat has:images", "dog"])
            simulator.inject(Fault(.refuse, after: 1, endpoint: "counts", answer: .rateLimit))
            let limited = try RuleEstimator(x, plan: .selfServe).estimate(["cat", "dog", "bird"])
            #expect(limited.map(\.posts) == [30_000, nil, nil])
            simulator.inject(Fault(.refuse, endpoint: "counts", answer: .serverError(400)))
            let rejected = try RuleEstimator(x, plan: .selfServe).estimate(["dog", "cat"])
            #expect(rejected.map(\.posts) == [nil, 30_000], "X counts the others")
            simulator.inject(Fault(.refuse, endpoint: "counts", answer: .rateLimit))
            let first = #expect(throws: XError.self) {
                try RuleEstimator(x, plan: .selfServe).estimate(["cat", "dog"])
            }
            #expect(first?.disposition == .retry)
        }
    }

    @Test(arguments: AccountUsage.Form.allCases)
    func readsUsageOfEveryForm(_ form: AccountUsage.Form) async throws {
        try await withSimulator { simulator, x in
            var usage = AccountUsage()
            usage.form = form
            usage.used = 123_456
            usage.daily = [1000, 2000, 3000, 50]
            simulator.usage = usage
            let read = try PostUsage.ask(x)
            let hasSums = form != .days
            #expect(read.used == (hasSums ? 123_456 : nil))
            #expect(read.cap == (hasSums ? 3_000_000 : nil))
            #expect(read.resetDay == (hasSums ? 9 : nil))
            #expect(read.daily.values.sorted() == [50, 1000, 2000, 3000])
            #expect(UsageForecast(read, now: .now()).postsPerDay == 2000)
        }
    }
}
