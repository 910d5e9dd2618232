import Foundation
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Sets of sequence numbers", .timeLimit(.minutes(5)))
struct RangeSetTests {
    @Test("numbers in any order become ranges")
    func ranges() {
        let set = RangeSet(numbers: [5, 1, 2, 3, 9, 2, 8])
        #expect(Array(set.ranges) == [1..<4, 5..<6, 8..<10])
        #expect(set.count == 6)
        #expect(set.last == 9)
        #expect(set.multirange == "{[1,4),[5,6),[8,10)}")
        #expect(set.listed == "1-3, 5, 8-9")
        #expect(set.missing.listed == "4, 6-7")
    }

    @Test("for programs it is an array of ranges")
    func json() throws {
        let missing = LedgerReport.MissingNumbers(numbers: RangeSet(numbers: [17, 40, 41]))
        #expect(String(decoding: try JSONEncoder().encode(missing), as: UTF8.self) == "[[17,17],[40,41]]")
        #expect("\(missing)" == "17, 40-41")
    }

    @Test("of many ranges people see the first 20")
    func many() {
        let set = RangeSet(numbers: stride(from: 1, to: 100, by: 2))
        #expect(set.listed.hasSuffix("37, 39, … 30 more ranges"))
    }

    @Test("what PostgreSQL writes is read, anything else is refused")
    func text() {
        #expect(RangeSet(multirange: "{[1,4),[5,6)}") == RangeSet([1..<4, 5..<6]))
        #expect(RangeSet(multirange: "{}")?.isEmpty == true)
        for text in ["", "{", "{[1,)}", "{[4,1)}", "{[1,2,3)}", "[1,2)", "{[a,b)}"] {
            #expect(RangeSet(multirange: text) == nil, "\(text)")
        }
    }

    @Test("union, count and missing agree with sets", arguments: 0..<50)
    func model(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let first = Set(
            (0..<Int.random(in: 0..<60, using: &random)).map { _ in Int64.random(in: 1...80, using: &random) })
        let second = Set(
            (0..<Int.random(in: 0..<60, using: &random)).map { _ in Int64.random(in: 1...80, using: &random) })
        let union = RangeSet(numbers: first.shuffled(using: &random)).union(RangeSet(numbers: second))
        #expect(union == RangeSet(numbers: first.union(second)))
        #expect(union.count == Int64(first.union(second).count))
        #expect(RangeSet(multirange: union.multirange) == union)
        let last = first.union(second).max() ?? 0
        let missing = last == 0 ? [] : Set(1...last).subtracting(first.union(second))
        #expect(union.missing == RangeSet(numbers: missing))
        let (left, right) = (RangeSet(numbers: first), RangeSet(numbers: second))
        #expect(left.subtracting(right) == RangeSet(numbers: first.subtracting(second)))
        #expect(left.intersection(right) == RangeSet(numbers: first.intersection(second)))
        #expect(left.count(from: 40) == Int64(first.count { $0 >= 40 }))
    }
}
