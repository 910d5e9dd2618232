import Testing

@testable import Core
@testable import TweetProducer

@Suite("Standby: posts of a minute") struct MinuteTallyTests {
    @Test("only minutes that one connection has from beginning to end are counted")
    func wholeMinutes() {
        var tally = MinuteTally()
        func look(_ seconds: Int64, _ posts: Int64, _ connection: Int64 = 1) -> Int64? {
            tally.look(posts: posts, connection: connection, at: Timestamp(milliseconds: seconds * 1000))?.lines
        }
        var found = [look(30, 5), look(61, 9), look(119, 20), look(121, 25)]
        #expect(found == [nil, nil, nil, 16])
        found = [look(125, 0, 2), look(181, 7, 2), look(241, 10, 2)]
        #expect(found == [nil, nil, 3], "another connection begins anew")
        found = [look(400, 90, 2), look(425, 95, 2)]
        #expect(found == [nil, nil], "nobody looked in between")
    }
}
