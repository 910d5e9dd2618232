import Core
import Journal
import TestSupport
import Testing
import TweetFormat
import XAPI

@testable import TweetProducer

/// Long lists of rules in events, and the rules that lines name.
@Suite(.timeLimit(.minutes(5))) struct RuleRecorderTests {
    @Test func aLongListIsCutIntoEventsThatBelongTogether() throws {
        let rules = (0..<3000).map { number in
            XRule(id: "\(9_000 - number)", value: String(repeating: "é\"", count: 200) + "\(number)", tag: "t\(number)")
        }
        var recorder = RuleRecorder()
        var chunks: [JournalChunk] = []
        var left = 2
        // The journal fails in the middle of the list: the next call journals all of it.
        let first = recorder.record(rules, at: Timestamp(milliseconds: 1000)) { _ in
            left -= 1
            return left < 0 ? .failed : .durable
        }
        #expect(!first)
        let second = recorder.record(rules.shuffled(), at: Timestamp(milliseconds: 2000)) { chunk in
            chunks.append(chunk)
            return .durable
        }
        #expect(second)
        let events = chunks.flatMap(\.events)
        #expect(events.count > 5 && chunks.count == events.count)
        #expect(events.map(\.part) == (1...events.count).map { $0 })
        #expect(events.allSatisfy { $0.parts == events.count && $0.lines == 3000 && $0.at == events[0].at })
        #expect(events.allSatisfy { $0.line.count < 300 << 10 })
        let read = events.compactMap { PipelineEvent(line: $0.line)?.rules }.flatMap { $0 }
        #expect(Set(read.map(\.id)) == Set(rules.map(\.id)) && read.count == 3000)
        #expect(read.first { $0.id == "9000" } == PipelineEvent.Rule(id: "9000", value: rules[0].value, tag: "t0"))
        let third = recorder.record(rules, at: Timestamp(milliseconds: 3000)) { _ in
            Issue.record("nothing has changed")
            return .durable
        }
        #expect(third)
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
