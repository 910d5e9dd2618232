import Core
import TestSupport
import Testing

@testable import XAPI

/// Terms of a filter in rules: few, short enough, and left alone where nothing changed.
@Suite(.timeLimit(.minutes(5))) struct XTermGroupsTests {
    private func words(_ numbers: some Sequence<Int>) -> [String] { numbers.map { "word\($0)" } }

    private func values(_ groups: [TermGroups.Group]) -> [String] { groups.map(\.value) }

    /// How many rules differ from those that X holds.
    private func written(_ new: [TermGroups.Group], over old: [TermGroups.Group]) -> Int {
        let known = Set(old.map { "\($0.number) \($0.value)" })
        return new.count { !known.contains("\($0.number) \($0.value)") }
    }

    private func expectWhole(_ groups: [TermGroups.Group], _ terms: [String], limit: Int) {
        #expect(groups.flatMap(\.terms).sorted() == Set(terms).sorted())
        #expect(groups.allSatisfy { $0.value.unicodeScalars.count <= limit && !$0.terms.isEmpty })
        #expect(groups.allSatisfy { $0.length == $0.value.unicodeScalars.count })
        #expect(
            groups.map(\.number) == groups.map(\.number).sorted() && Set(groups.map(\.number)).count == groups.count)
    }

    @Test func aRuleReadsAsTheFileDoes() {
        let groups = TermGroups(["coffee", "\"flat white\"", "espresso", "coffee"], limit: 1024).groups
        #expect(values(groups) == ["coffee OR \"flat white\" OR espresso"])
        #expect(groups.map(\.number) == [1])
        #expect(TermGroups([], limit: 1024).groups.isEmpty)
    }

    @Test func whatIsJoinedComesApartAgain() {
        let terms = ["a", "\"this OR that\"", "bounding_box:[1 OR 2 3]", "from:1", "\"[\"", "b"]
        #expect(TermGroups.terms(of: terms.joined(separator: " OR ")) == terms)
        #expect(TermGroups.terms(of: "cat has:images") == ["cat has:images"])
        #expect(TermGroups.terms(of: "") == [""])
    }

    @Test func rulesAreAsFewAsFit() {
        var random = SplitMix64(seed: 3)
        for round in 0..<200 {
            let limit = [512, 1024].randomElement(using: &random) ?? 512
            let terms = (0..<Int.random(in: 1...300, using: &random)).map { number in
                String(repeating: "é", count: Int.random(in: 1...40, using: &random)) + "\(number)"
            }
            let groups = TermGroups(terms, limit: limit).groups
            expectWhole(groups, terms, limit: limit)
            // No packing needs fewer than all terms have room in.
            let total = terms.reduce(0) { $0 + $1.unicodeScalars.count + 4 }
            let fewest = (Double(total) / Double(limit + 4)).rounded(.up)
            #expect(Double(groups.count) <= (fewest * 1.1).rounded(.up), "round \(round)")
        }
    }

    @Test(arguments: ["front", "middle", "end"])
    func oneMoreWordIsOneOtherRule(_ place: String) {
        var terms = words(0..<1000)
        let before = TermGroups(terms, limit: 1024).groups
        #expect(before.count > 10)
        terms.insert("another", at: place == "front" ? 0 : place == "end" ? terms.count : terms.count / 2)
        let after = TermGroups(terms, limit: 1024, held: before).groups
        expectWhole(after, terms, limit: 1024)
        #expect(written(after, over: before) == 1)
        // The order of the file says nothing.
        let shuffled = TermGroups(terms.reversed(), limit: 1024, held: after).groups
        #expect(shuffled == after)
    }

    @Test func oneWordLessIsOneOtherRule() {
        let terms = words(0..<1000)
        let before = TermGroups(terms, limit: 1024).groups
        let after = TermGroups(terms.filter { $0 != "word500" }, limit: 1024, held: before).groups
        #expect(written(after, over: before) == 1 && after.count == before.count)
    }

    @Test func aHundredMoreWordsFillNewRulesAndAtMostOneOldOne() {
        let terms = words(0..<1000)
        let before = TermGroups(terms, limit: 1024).groups
        let after = TermGroups(words(0..<1300), limit: 1024, held: before).groups
        expectWhole(after, words(0..<1300), limit: 1024)
        let new = after.count - before.count
        #expect(new > 1 && written(after, over: before) <= new + 1)
    }

    /// Whatever is added and removed: what X then holds is kept by the next plan, one change writes few rules, and their number
    /// stays near the smallest.
    @Test func aThousandChangesStayStableAndDense() {
        var random = SplitMix64(seed: 11)
        var (terms, held): ([String], [TermGroups.Group]) = (words(0..<300), [])
        var (rules, changes) = (0, 0)
        for step in 0..<1000 {
            if Bool.random(using: &random) || terms.count < 50 {
                terms.insert("w\(step)", at: Int.random(in: 0...terms.count, using: &random))
            } else {
                terms.remove(at: Int.random(in: 0..<terms.count, using: &random))
            }
            let next = TermGroups(terms, limit: 200, held: held.shuffled(using: &random)).groups
            expectWhole(next, terms, limit: 200)
            #expect(TermGroups(terms, limit: 200, held: next).groups == next, "step \(step)")
            let fewest = TermGroups(terms, limit: 200).groups.count
            #expect(next.count <= fewest + max(1, fewest / 10), "step \(step)")
            if step > 0 {
                rules += written(next, over: held)
                changes += 1
            }
            held = next
        }
        // Mostly one; now and then a rule is given up, and its words go to a few others.
        #expect(Double(rules) / Double(changes) < 2, "\(rules) rules for \(changes) changes")
    }

    @Test func whatAnInterruptedChangeHasLeftIsTakenUp() {
        let old = TermGroups.Group(number: 2, terms: ["a", "b"])
        let new = TermGroups.Group(number: 2, terms: ["a", "b", "c"])
        let first = TermGroups.Group(number: 1, terms: ["x"])
        for held in [[first, old, new], [new, old, first]] {
            #expect(TermGroups(["a", "b", "c", "x"], limit: 11, held: held).groups == [first, new])
        }
        // A rule with something that is not wanted is written anew, and one of which nothing is wanted goes.
        let others = [TermGroups.Group(number: 3, terms: ["a", "(b)"]), TermGroups.Group(number: 7, terms: ["q"])]
        #expect(TermGroups(["a"], limit: 9, held: others).groups == [TermGroups.Group(number: 3, terms: ["a"])])
    }
}
