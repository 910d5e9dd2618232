import Core
import TestSupport
import Testing

@testable import XAPI

/// Filters of a rules file: what may stand in one, and the rules that it becomes.
@Suite(.timeLimit(.minutes(5))) struct XFilterTests {
    private static let coffee = """
        - value: '(swiftlang OR #swift) lang:en'
          tag: swift
        - filter: coffee
          words: [coffee, espresso, "flat white"]
          people: ['@baristas', '2244994945']
          locations: ['[-74.1 40.6 -73.7 40.9]']
          following: '@AbeStockmon'
          note: for the magazine
        """

    private func file(_ text: String, plan: AccountPlan = .selfServe) -> RulesFile {
        RulesFile(path: "rules.yaml", text: text, plan: plan)
    }

    private func failure(_ text: String) throws -> String {
        try #require(throws: XError.self) { try file(text).requireGood() }.description
    }

    private func expanded(
        _ text: String, held: [XRule] = [], prefix: String = "", lists: [FollowingList] = []
    ) -> RuleExpansion {
        file(text).expanded(beside: held, ownership: RuleOwnership(prefix: prefix)) { account in
            lists.first { $0.account == account }
        }
    }

    @Test func aFilterIsOneRuleBesideOthers() throws {
        let read = file(Self.coffee)
        try read.requireGood()
        #expect(read.doubts() == [])
        #expect(read.filters.map(\.following) == [["abestockmon"]])
        #expect(
            read.rules == [
                WantedRule(value: "(swiftlang OR #swift) lang:en", tag: "swift", line: 1),
                WantedRule(
                    value:
                        "coffee OR espresso OR \"flat white\" OR from:baristas OR to:baristas OR retweets_of:baristas"
                        + " OR from:2244994945 OR to:2244994945 OR retweets_of:2244994945"
                        + " OR bounding_box:[-74.1 40.6 -73.7 40.9]", tag: "coffee", note: "for the magazine", line: 3),
            ])
    }

    @Test func followedAccountsAreInTheRules() {
        let list = FollowingList(
            account: "abestockmon", id: "1", readAt: Timestamp(milliseconds: 0), accounts: ["12", "7", "12"])
        let expansion = expanded("- filter: f\n  following: '@abestockmon'\n", lists: [list])
        #expect(expansion.rules.map(\.value) == ["from:7 OR from:12"])
        #expect(expansion.filters.map(\.terms) == [2] && expansion.filters[0].unread == [])
        #expect(expanded("- filter: f\n  following: '@abestockmon'\n").filters[0].unread == ["abestockmon"])
    }

    /// Without the list nothing is known about the accounts, so those in X's rules stay.
    @Test func aListThatIsNotThereTakesNothingAway() {
        let held = [
            XRule(id: "1", value: "from:7 OR coffee OR tea OR from:12", tag: "o/f"),
            XRule(id: "2", value: "from:9", tag: "o/f.2"), XRule(id: "3", value: "from:8", tag: "f"),
        ]
        let text = "- filter: f\n  words: coffee\n  following: x\n"
        let expansion = expanded(text, held: held, prefix: "o/")
        #expect(
            expansion.rules.flatMap { TermGroups.terms(of: $0.value) }.sorted() == [
                "coffee", "from:12", "from:7", "from:9",
            ])
        let list = FollowingList(account: "x", id: "1", readAt: Timestamp(milliseconds: 0), accounts: ["9"])
        #expect(
            expanded(text, held: held, prefix: "o/", lists: [list]).rules.map(\.value).sorted() == ["coffee OR from:9"])
    }

    @Test func longFiltersAreSeveralRulesWithNumberedTags() throws {
        let words = (0..<200).map { "word\($0)" }.joined(separator: ", ")
        let read = file("- filter: many\n  words: [\(words)]\n")
        try read.requireGood()
        #expect(read.rules.map(\.tag) == ["many", "many.2", "many.3"])
        #expect(
            read.rules.allSatisfy {
                $0.value.unicodeScalars.count <= 1024 && RuleCheck($0.value, plan: .selfServe).isValid
            })
        let big = file("- filter: many\n  words: [\(words)]\n", plan: .enterprise)
        #expect(big.rules.count == 2)
    }

    /// One word more, wherever it stands, changes one rule at X and leaves the others alone.
    @Test func aWordMoreChangesOneRuleAtX() {
        func text(_ words: [String]) -> String { "- filter: many\n  words: [\(words.joined(separator: ", "))]\n" }
        let words = (0..<600).map { "word\($0)" }
        let held = expanded(text(words), prefix: "o/").rules.enumerated().map {
            XRule(id: "\($0)", value: $1.value, tag: "o/" + ($1.tag ?? ""))
        }
        #expect(held.count > 5)
        let ownership = RuleOwnership(prefix: "o/")
        for changed in [
            ["aaa"] + words, words + ["zzz"], Array(words[..<300]) + ["mmm"] + words[300...], Array(words[1...]),
        ] {
            let plan = RulePlan(
                wanted: expanded(text(changed), held: held, prefix: "o/").rules, existing: held, ownership: ownership)
            #expect(plan.added.count == 1 && plan.removed.count == 1 && plan.changed.isEmpty, "\(plan.summary)")
        }
        let same = RulePlan(
            wanted: expanded(text(words.reversed()), held: held, prefix: "o/").rules, existing: held,
            ownership: ownership)
        #expect(same.isEmpty)
    }

    @Test(
        arguments: [
            ("coffee", "coffee"), ("#coffee", "#coffee"), ("@nasa", "@nasa"), ("$TWTR", "$TWTR"), ("☕", "☕"),
            ("flat white", "\"flat white\""), ("  flat\n white ", "\"flat white\""), ("coca-cola", "\"coca-cola\""),
            ("and", "\"and\""), ("OR", "\"OR\""), ("NOT", "\"NOT\""), ("a:b", "\"a:b\""), ("(cat)", "\"(cat)\""),
            ("3.5", "\"3.5\""), ("#two words", "\"#two words\""), ("コーヒー", "コーヒー"),
        ])
    func wordsAreTextWhateverTheyLookLike(_ word: String, _ term: String) throws {
        #expect(try RuleFilterTerms.word(word) == term)
        let check = RuleCheck(term, plan: .selfServe)
        #expect(check.isValid && check.doubts.isEmpty && check.expression?.terms.count == 1)
    }

    @Test(arguments: ["", " ", "-cat", "\"cat\"", "a\\b", "lang:en", "from:nasa", "#", "--", "."])
    func whatIsNoTextIsAnError(_ word: String) {
        #expect(throws: RuleFilterTerms.Mistake.self) { try RuleFilterTerms.word(word) }
    }

    @Test func aLargeBoxIsCutIntoOnesThatXAccepts() throws {
        let terms = try RuleFilterTerms.location("-75, 40, -73, 41")
        #expect(terms.count == 5 * 3, "\(terms)")
        #expect(terms.first?.hasPrefix("bounding_box:[-75 40 ") == true)
        #expect(terms.last?.hasSuffix(" -73 41]") == true)
        for term in terms {
            let check = RuleCheck(term, plan: .selfServe)
            #expect(check.isValid && check.doubts.isEmpty, "\(term): \(check.doubts)")
        }
        #expect(try RuleFilterTerms.location("[-74.1 40.6 -73.7 40.9]") == ["bounding_box:[-74.1 40.6 -73.7 40.9]"])
        for wrong in ["", "1 2 3", "2 1 1 2", "[0 0 200 1]", "-180 -90 180 90", "a b c d"] {
            #expect(throws: RuleFilterTerms.Mistake.self) { try RuleFilterTerms.location(wrong) }
        }
    }

    private static let wrong = """
        - filter: one
          words: [coffee, 'lang:en']
          colour: red
          people: ['@no such name']
        - filter:
          words: [tea]
        - filter: two.2
          words: [tea]
        - filter: empty
        - filter: three
          words: {a: b}
        - filter: four
          words: [x]
        - value: y
          tag: four.2
        - value: z
          tag: four.x
        - filter: four
          locations: ['9 9']
        - filter: five
          words: [x]
        - filter: six
          words: [x]
        """

    @Test func everyErrorIsNamedWithItsPlace() throws {
        let text = try failure(Self.wrong)
        for expected in [
            "rules.yaml:2: words: 'lang:en' is an operator",
            "rules.yaml:3: unknown key 'colour'; a filter has filter, words",
            "rules.yaml:4: people: '@no such name'", "rules.yaml:5: the filter has no name",
            "rules.yaml:7: the name 'two.2' ends like the tag", "rules.yaml:9: the filter has no words",
            "rules.yaml:11: words is a list of texts", "rules.yaml:19: locations: '9 9'",
        ] { #expect(text.contains(expected), "\(expected) is not in:\n\(text)") }
    }

    @Test func namesOfFiltersAndTagsOfRulesAreApart() throws {
        let names = try failure(
            """
            - filter: four
              words: [x]
            - value: y
              tag: four.2
            - value: z
              tag: four.x
            - filter: four
              words: [w]
            - filter: five
              words: [x]
            """)
        for expected in [
            "rules.yaml:3: the tag 'four.2' belongs to the filter in line", "the filter 'four' is also in line 1",
            "rules.yaml:9: the same value is in line 1",
        ] { #expect(names.contains(expected), "\(expected) is not in:\n\(names)") }
        #expect(!names.contains("four.x"))
    }

    @Test func tagsTellWhichRuleOfTheFilterItIs() {
        let filter = RuleFilter(name: "a.b", note: nil, line: 1, terms: ["x"], following: [])
        #expect(filter.tag(1) == "a.b" && filter.tag(12) == "a.b.12")
        for (tag, number) in [("a.b", 1), ("a.b.2", 2), ("a.b.12", 12)] { #expect(filter.number(of: tag) == number) }
        for tag in ["a.b.1", "a.b.02", "a.b.", "a.bc", "a", "a.b.x", "", "a.b.2.2"] {
            #expect(filter.number(of: tag) == nil)
        }
        #expect(filter.number(of: nil) == nil)
    }

    @Test func longAlternativesAreAskedAboutInParts() {
        let value = (0..<100).map { "word\($0)" }.joined(separator: " OR ")
        let parts = CountQuery.queries(for: value, plan: .selfServe)
        #expect(parts.count == 2 && parts.allSatisfy { $0.obstacle == nil && $0.text.unicodeScalars.count <= 512 })
        #expect(parts.flatMap { TermGroups.terms(of: $0.text) }.sorted() == TermGroups.terms(of: value).sorted())
        #expect(CountQuery.queries(for: "cat OR dog", plan: .selfServe).map(\.text) == ["cat OR dog"])
        let whole = CountQuery.queries(for: "(" + value + ") has:images", plan: .selfServe)
        #expect(whole.count == 1 && whole[0].obstacle?.contains("longer") == true)
    }

    @Test func aListIsOldAfterADay() {
        let read = Timestamp(milliseconds: 1_700_000_000_000)
        let list = FollowingList(account: "a", id: "1", readAt: read, accounts: ["2"])
        #expect(!list.isOld(at: read) && !list.isOld(at: read.advanced(by: .seconds(86_399))))
        #expect(list.isOld(at: read.advanced(by: .seconds(86_400))))
        #expect(list.isOld(at: read.advanced(by: .seconds(-90_000))))
    }
}
