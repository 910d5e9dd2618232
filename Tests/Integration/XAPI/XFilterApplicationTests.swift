import Core
import Foundation
import Logging
import Sandbox
import TestSupport
import Testing

@testable import XAPI

/// Filters that change from file to file, against the rule book of the simulator, with a failing call in every change.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XFilterApplicationTests {
    /// Words of two filters.
    private struct Words {
        var drinks: [String]
        var pets: [String]

        var text: String {
            var text = "- value: other has:images\n  tag: other\n"
            for (name, words) in [("drinks", drinks), ("pets", pets)] where !words.isEmpty {
                text += "- filter: \(name)\n  words: [\(words.joined(separator: ", "))]\n"
            }
            return text
        }

        mutating func change(_ random: inout SplitMix64) {
            for list in [\Words.drinks, \.pets] {
                self[keyPath: list].removeAll { _ in Int.random(in: 0..<12, using: &random) == 0 }
                for _ in 0..<Int.random(in: 0..<8, using: &random) {
                    let place = Int.random(in: 0...self[keyPath: list].count, using: &random)
                    self[keyPath: list].insert("w\(UInt32.random(in: 0 ... .max, using: &random))", at: place)
                }
            }
        }
    }

    private func apply(_ words: Words, _ application: RuleApplication, _ ownership: RuleOwnership) throws -> RulePlan {
        let file = RulesFile(path: "rules.yaml", text: words.text, plan: .selfServe)
        try file.requireGood()
        let held = try application.list()
        let wanted = file.expanded(beside: held, ownership: ownership, following: { _ in nil }).rules
        let plan = RulePlan(wanted: wanted, existing: held, ownership: ownership)
        try application.apply(plan, wanted: wanted)
        return plan
    }

    private func terms(_ rules: [StreamRule], _ tag: String) -> Set<String> {
        Set(rules.filter { $0.tag?.hasPrefix("ours/" + tag) == true }.flatMap { TermGroups.terms(of: $0.value) })
    }

    /// Whatever call fails: the next one converges, a word that stays is at X throughout, and others' rules are left alone.
    @Test func filtersConvergeWhateverCallFails() async throws {
        var configuration = XSimulator.Configuration()
        configuration.enforcesRateLimits = false
        let simulator = XSimulator(configuration)
        try await simulator.start()
        do { try await blocking { try converge(simulator) } } catch {
            await simulator.stop()
            throw error
        }
        await simulator.stop()
    }

    private func converge(_ simulator: XSimulator) throws {
        var random = SplitMix64(seed: 17)
        let ownership = RuleOwnership(prefix: "ours/")
        let x = XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken)))
        let application = RuleApplication(x, ownership: ownership, plan: .selfServe, logger: Logger(label: "test"))
        simulator.replaceRules([("theirs", "drinks")])
        var words = Words(drinks: (0..<150).map { "drink\($0)" }, pets: (0..<20).map { "pet\($0)" })
        _ = try apply(words, application, ownership)
        var failures = 0
        for step in 0..<60 {
            let before = words
            words.change(&random)
            let first = simulator.ruleHistory.count
            let kind = Bool.random(using: &random) ? Fault.Kind.refuse : .lostAnswer
            simulator.inject(Fault(kind, after: Int.random(in: 0..<5, using: &random), endpoint: "rules"))
            if (try? apply(words, application, ownership)) == nil { failures += 1 }
            simulator.clearFaults()
            _ = try apply(words, application, ownership)
            #expect(try apply(words, application, ownership).isEmpty, "step \(step)")
            expectThroughout(simulator, from: first, before, words, "step \(step)")
            let last = simulator.ruleHistory.last ?? []
            #expect(
                terms(last, "drinks") == Set(words.drinks) && terms(last, "pets") == Set(words.pets), "step \(step)")
        }
        #expect(failures > 20)
    }

    private func expectThroughout(
        _ simulator: XSimulator, from first: Int, _ before: Words, _ after: Words, _ what: String
    ) {
        for rules in simulator.ruleHistory[first...] {
            let isWhole =
                terms(rules, "drinks").isSuperset(of: Set(before.drinks).intersection(after.drinks))
                && terms(rules, "pets").isSuperset(of: Set(before.pets).intersection(after.pets))
            #expect(isWhole, "\(what): a word that stays is away")
            #expect(rules.contains { $0.value == "theirs" && $0.tag == "drinks" }, "\(what)")
        }
    }
}
