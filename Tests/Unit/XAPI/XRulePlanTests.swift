import Core
import Testing
import XAPI

@Suite(.timeLimit(.minutes(5))) struct XRulePlanTests {
    private func rule(_ value: String, _ tag: String?) -> XRule { XRule(id: "id-\(value)", value: value, tag: tag) }

    @Test func comparesByValueAndTag() {
        let plan = RulePlan(
            wanted: [
                WantedRule(value: "a", tag: "1"), WantedRule(value: "b", tag: "2"), WantedRule(value: "c", tag: nil),
                WantedRule(value: "d", tag: "4"),
            ],
            existing: [rule("a", "1"), rule("b", "old"), rule("e", "5"), rule("c", "")],
            ownership: RuleOwnership(prefix: ""))
        #expect(plan.kept.map(\.value) == ["a", "c"])
        #expect(plan.changed.map(\.new) == [NewRule(value: "b", tag: "2")])
        #expect(plan.added == [NewRule(value: "d", tag: "4")])
        #expect(plan.removed.map(\.value) == ["e"])
        #expect(!plan.isEmpty)
    }

    @Test func leavesRulesOfOthersAlone() {
        let ownership = RuleOwnership(prefix: "team/")
        let plan = RulePlan(
            wanted: [
                WantedRule(value: "a", tag: "1"), WantedRule(value: "b", tag: nil), WantedRule(value: "x", tag: "9"),
            ],
            existing: [rule("a", "team/1"), rule("b", "team/"), rule("c", "team/3"), rule("x", "9"), rule("y", nil)],
            ownership: ownership)
        #expect(plan.kept.map(\.value) == ["a", "b"])
        #expect(plan.removed.map(\.value) == ["c"])
        #expect(plan.foreign.map(\.value) == ["y"])
        #expect(plan.taken.map(\.value) == ["x"])
        #expect(ownership.fileTag("team/1") == "1" && ownership.fileTag("team/") == nil)
        #expect(throws: XError.self) { _ = try RuleSchedule(plan, capacity: 10, plan: .selfServe) }
    }

    @Test func addsBeforeItDeletes() throws {
        let plan = RulePlan(
            wanted: [WantedRule(value: "new", tag: nil)], existing: [rule("old", nil)],
            ownership: RuleOwnership(prefix: ""))
        #expect(
            try RuleSchedule(plan, capacity: 10, plan: .selfServe).steps
                == [.add([NewRule(value: "new", tag: nil)]), .delete(["old"])])
        // No room for both: what goes anyway goes first.
        #expect(
            try RuleSchedule(plan, capacity: 1, plan: .selfServe).steps
                == [.delete(["old"]), .add([NewRule(value: "new", tag: nil)])])
    }

    @Test func changesATagOverAStandIn() throws {
        let plan = RulePlan(
            wanted: [WantedRule(value: "cat", tag: "new")], existing: [rule("cat", "old")],
            ownership: RuleOwnership(prefix: ""))
        #expect(
            try RuleSchedule(plan, capacity: 2, plan: .selfServe).steps == [
                .add([NewRule(value: "(cat)", tag: "new")]), .delete(["cat"]),
                .add([NewRule(value: "cat", tag: "new")]),
                .delete(["(cat)"]),
            ])
        let full = #expect(throws: XError.self) { _ = try RuleSchedule(plan, capacity: 1, plan: .selfServe) }
        #expect(full?.description.contains("free place") == true)
    }

    @Test func goesOnWithTheStandInOfAnInterruptedRun() throws {
        let plan = RulePlan(
            wanted: [WantedRule(value: "cat", tag: "new")], existing: [rule("cat", "old"), rule("(cat)", "new")],
            ownership: RuleOwnership(prefix: ""))
        #expect(
            try RuleSchedule(plan, capacity: 2, plan: .selfServe).steps
                == [.delete(["cat"]), .add([NewRule(value: "cat", tag: "new")]), .delete(["(cat)"])])
    }

    @Test(arguments: [
        ("cat", "(cat)"), (String(repeating: "a", count: 1021) + " b", "b " + String(repeating: "a", count: 1021)),
        ("b OR " + String(repeating: "a", count: 1018), String(repeating: "a", count: 1018) + " OR b"),
        ("(" + String(repeating: "a", count: 1021) + ")", String(repeating: "a", count: 1021)),
    ])
    func standsInForRulesOfAnyLength(_ value: String, _ standIn: String) throws {
        let plan = RulePlan(
            wanted: [WantedRule(value: value, tag: "new")], existing: [rule(value, "old")],
            ownership: RuleOwnership(prefix: ""))
        let first = try RuleSchedule(plan, capacity: 2, plan: .selfServe).steps.first
        #expect(first == .add([NewRule(value: standIn, tag: "new")]))
    }

    @Test func saysWhenNothingCanStandIn() throws {
        let value = String(repeating: "a", count: 1024)
        let plan = RulePlan(
            wanted: [WantedRule(value: value, tag: "new")], existing: [rule(value, "old")],
            ownership: RuleOwnership(prefix: ""))
        #expect(throws: XError.self) { _ = try RuleSchedule(plan, capacity: 2, plan: .selfServe) }
    }

    @Test func refusesMoreThanFits() throws {
        let plan = RulePlan(
            wanted: [WantedRule(value: "a", tag: "p/"), WantedRule(value: "b", tag: nil)],
            existing: [rule("x", "other")],
            ownership: RuleOwnership(prefix: "p/"))
        #expect(throws: XError.self) { _ = try RuleSchedule(plan, capacity: 2, plan: .selfServe) }
    }
}
