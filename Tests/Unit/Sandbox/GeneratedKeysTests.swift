import Core
import Sandbox
import Testing
import TweetFormat

@Suite("Tweet key", .timeLimit(.minutes(5)))
struct GeneratedKeysTests {
    @Test("of generated tweets, and their rules, are found")
    func generated() {
        let rules = [StreamRule(id: "17", value: "coffee", tag: "k"), StreamRule(id: "18", value: "cats", tag: "c")]
        let tweets = TweetGenerator(seed: 11)
        var keys = TweetKey()
        var keysAlone = TweetKey(findsRules: false)
        for index in 0..<500 as Range<Int64> {
            let line = tweets.line(index, rules: rules, hasIncludes: index % 2 == 0)
            let key = unsafe line.withUnsafeBytes { unsafe keys.key(of: $0) }
            #expect(key != nil && Set(keys.matchingRules).isSubset(of: [17, 18]) && !keys.matchingRules.isEmpty)
            #expect(unsafe line.withUnsafeBytes { unsafe keysAlone.key(of: $0) } == key)
            // However it is cut, it is no tweet.
            let cut = Array(line[..<(Int(index) * line.count / 500)])
            #expect(unsafe cut.withUnsafeBytes { unsafe keys.key(of: $0) } == nil)
        }
    }
}
