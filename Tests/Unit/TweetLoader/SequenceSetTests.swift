import Foundation
import TestSupport
import Testing

@testable import TweetLoader

@Suite("SequenceSet", .timeLimit(.minutes(1)))
struct SequenceSetTests {
    @Test("numbers in any order become ranges")
    func ranges() {
        let set = SequenceSet([5, 1, 2, 3, 9, 2, 8])
        #expect(set.ranges == [1..<4, 5..<6, 8..<10])
        #expect(set.count == 6)
        #expect(set.last == 9)
        #expect(set.multirange == "{[1,4),[5,6),[8,10)}")
        #expect(set.description == "1-3, 5, 8-9")
        #expect(set.missing.description == "4, 6-7")
    }

    @Test("for programs it is an array of ranges")
    func json() throws {
        #expect(
            String(decoding: try JSONEncoder().encode(SequenceSet([17, 40, 41])), as: UTF8.self) == "[[17,17],[40,41]]")
    }

    @Test("what PostgreSQL writes is read, anything else is refused")
    func text() {
        #expect(SequenceSet(multirange: "{[1,4),[5,6)}")?.ranges == [1..<4, 5..<6])
        #expect(SequenceSet(multirange: "{}")?.ranges == [])
        for text in ["", "{", "{[1,)}", "{[4,1)}", "{[1,2,3)}", "[1,2)", "{[a,b)}"] {
            #expect(SequenceSet(multirange: text) == nil, "\(text)")
        }
    }

    @Test("union, count and missing agree with sets", arguments: 0..<50)
    func model(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let first = Set(
            (0..<Int.random(in: 0..<60, using: &random)).map { _ in Int64.random(in: 1...80, using: &random) })
        let second = Set(
            (0..<Int.random(in: 0..<60, using: &random)).map { _ in Int64.random(in: 1...80, using: &random) })
        let union = SequenceSet(first.shuffled(using: &random)).union(SequenceSet(second))
        #expect(union == SequenceSet(first.union(second)))
        #expect(union.count == Int64(first.union(second).count))
        #expect(SequenceSet(multirange: union.multirange) == union)
        let last = first.union(second).max() ?? 0
        let missing = last == 0 ? [] : Set(1...last).subtracting(first.union(second))
        #expect(union.missing == SequenceSet(missing))
        let (left, right) = (SequenceSet(first), SequenceSet(second))
        #expect(left.subtracting(right) == SequenceSet(first.subtracting(second)))
        #expect(left.intersection(right) == SequenceSet(first.intersection(second)))
        #expect(left.count(from: 40) == Int64(first.count { $0 >= 40 }))
        var appended = SequenceSet([])
        for number in first.sorted() { appended.append(number) }
        #expect(appended == left)
    }
}
