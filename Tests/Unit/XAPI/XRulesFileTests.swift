import Core
import Testing
import XAPI

@Suite(.timeLimit(.minutes(5))) struct XRulesFileTests {
    private func read(_ text: String) throws -> RulesFile {
        let file = RulesFile(path: "rules.yaml", text: text, plan: .selfServe)
        try file.requireGood()
        return file
    }

    private func failure(_ text: String) throws -> XError {
        try #require(throws: XError.self) { _ = try read(text) }
    }

    @Test func readsRules() throws {
        let file = try read(
            """
            # What we collect.
            - value: '"grumpy cat" has:images'
              tag: cats
              note: Anna's project
            - value: >
                (swiftlang OR #swift)
                lang:en
            - value: 2026
              tag: 7
            """)
        #expect(
            file.rules == [
                WantedRule(value: "\"grumpy cat\" has:images", tag: "cats", note: "Anna's project", line: 2),
                WantedRule(value: "(swiftlang OR #swift) lang:en", tag: nil, line: 5),
                WantedRule(value: "2026", tag: "7", line: 8),
            ])
    }

    @Test(arguments: ["", "[]", "# nothing\n", "---\n"])
    func takesAnEmptyList(_ text: String) throws {
        #expect(try read(text).rules.isEmpty)
    }

    @Test func namesEveryMistakeWithItsPlace() throws {
        let failure = try failure(
            """
            - value: cat
              tag: a
              colour: red
            - tag: b
            - cat
            - value: cat
            - value: dog lang:??
              tag: dogs
            - value: [a, b]
            """)
        #expect(failure.disposition == .reject)
        let lines = failure.description
        for expected in [
            "rules.yaml:3: unknown key 'colour'", "rules.yaml:4: the rule has no value",
            "rules.yaml:5: a rule is written",
            "rules.yaml:6: the same value is in line 1",
            "rules.yaml:7 (tag dogs), column 10: 'lang:' needs a language code such as en, ja or zh-TW\n  dog lang:??\n           ^~",
            "rules.yaml:9: value must be a single text",
        ] { #expect(lines.contains(expected), "\(expected) is not in \(lines)") }
    }

    @Test(arguments: ["rules: {}", "cat", "- value: \"cat", "a: [", "- {value: a, value: b}", "\t- x", "- &a [*a]"])
    func refusesWhatIsNoList(_ text: String) throws {
        #expect(try failure(text).description.hasPrefix("rules.yaml"))
    }

    @Test func refusesTooManyRules() throws {
        let text = (0...1000).map { "- value: cat\($0)\n" }.joined()
        #expect(try failure(text).description.contains("1001 rules; the plan self-serve allows 1000"))
        try RulesFile(path: "rules.yaml", text: text, plan: .enterprise).requireGood()
    }

    @Test func keepsDoubts() throws {
        let doubts = try read("- value: coca-cola\n").doubts()
        #expect(doubts.count == 1 && doubts[0].hasPrefix("rules.yaml:1, column 1: '-' splits words"))
    }

    /// A text that YAML reads in its own way: what to do is said.
    @Test(arguments: [
        ("- value: #swift\n", "put the rule in quotation marks: value: '#swift'"),
        ("- value: cat\n- value: @nasa\n", "put it in quotation marks: value: '@nasa'"),
        ("- tag: a\n  value: `x`\n", "put it in quotation marks: value: '`x`'"),
        ("- value: from: nasa\n", "put it in quotation marks: value: 'from: nasa'"),
        ("- value: \"a b\" c\n", "in quotation marks"), ("- value: [a b]\n", "in quotation marks"),
        ("- value: ~\n", ":1: the rule has no value"), ("- value:\n", ":1: the rule has no value"),
    ])
    func saysWhatBelongsIntoQuotationMarks(_ text: String, _ remedy: String) throws {
        let failure = try failure(text)
        #expect(failure.description.contains(remedy), "\(failure)")
    }

    @Test func takesNullForAbsent() throws {
        let rules = try read("- value: a\n  tag: null\n  note: ~\n- value: b\n  tag: 'null'\n- value: c\n  tag:\n")
            .rules
        #expect(rules.map(\.tag) == [nil, "null", nil] && rules[0].note == nil)
    }

    @Test func whatXHoldsIsNoError() throws {
        let file = RulesFile(path: "r", text: "- value: -cat\n- value: '\"open'\n- value: zzz:1 a\n", plan: .selfServe)
        #expect(try #require(throws: XError.self) { try file.requireGood() }.description.contains("only excludes"))
        let held = ["-cat", "\"open", "zzz:1 a"].map { XRule(id: "1", value: $0, tag: nil) }
        try file.requireGood(beside: held)
        #expect(file.doubts(beside: held).isEmpty && file.doubts().count == 1)
        #expect(throws: XError.self) { try file.requireGood(beside: Array(held.dropFirst())) }
    }

    @Test func writesWhatItReads() throws {
        let rules = [
            WantedRule(value: "\"it's\" has:images", tag: "a: b # c"), WantedRule(value: "猫 😻", tag: nil, note: "x"),
            WantedRule(value: "\"tab\\tand \\\"quotes\\\"\"", tag: "line\u{7}bell"),
        ]
        let again = try read(RulesFile.text(rules)).rules
        #expect(again.map(\.value) == rules.map(\.value))
        #expect(again.map(\.tag) == rules.map(\.tag))
        #expect(again.map(\.note) == rules.map(\.note))
        #expect(try read(RulesFile.text([])).rules.isEmpty)
    }

    @Test func aMissingFileIsBadData() throws {
        let failure = try #require(throws: XError.self) { _ = try RulesFile(path: "/nowhere/rules", plan: .selfServe) }
        #expect(failure.disposition == .reject && failure.description.contains("/nowhere/rules"))
    }
}
