import Testing

@testable import TweetLoader

/// How fast counters rise, by samples that come when they come.
@Suite(.timeLimit(.minutes(5))) struct RateSeriesTests {
    private func series(_ samples: [(at: Int64, count: Double)]) -> RateSeries {
        samples.reduce(into: RateSeries()) { $0.add($1.count, at: $1.at) }
    }

    @Test("one sample is no rate, and an even rise is the same over every window")
    func even() {
        #expect(RateSeries().perSecond(over: 1000, at: 0) == nil)
        #expect(series([(0, 5)]).perSecond(over: 1000, at: 0) == nil)
        let rising = series((0...90).map { (at: Int64($0) * 1000, count: Double($0) * 12) })
        #expect(rising.perSecond(over: 1000, at: 90_000) == 12)
        #expect(rising.perSecond(over: 60_000, at: 90_500) == 12)
        #expect(series([(0, 7), (1000, 7)]).perSecond(over: 1000, at: 1000) == 0)
    }

    @Test("the time between samples counts, not how many there are")
    func uneven() {
        let late = series([(0, 0), (2500, 50), (2600, 52)])
        #expect(late.perSecond(over: 1000, at: 2600) == 20)
        // The same or an older moment adds nothing, whatever the clock does.
        var repeated = late
        repeated.add(1000, at: 2600)
        repeated.add(1000, at: 100)
        #expect(repeated.perSecond(over: 1000, at: 2600) == 20)
    }

    @Test("a service that started again has no negative rate")
    func restart() {
        var series = series((0...10).map { (at: Int64($0) * 1000, count: 1000 + Double($0) * 10) })
        series.add(3, at: 11_000)
        #expect(series.perSecond(over: 1000, at: 11_000) == nil)
        series.add(8, at: 12_000)
        #expect(series.perSecond(over: 60_000, at: 12_000) == 5)
        #expect(series.parts(4, over: 4000, at: 12_000) == [nil, nil, nil, 5])
    }

    @Test("a rate that nobody reports any more is not known, and does not freeze")
    func silence() {
        let series = series([(0, 0), (1000, 10), (2000, 20)])
        #expect(series.perSecond(over: 1000, at: 7000) == 10)
        #expect(series.perSecond(over: 1000, at: 7001) == nil)
        // Heartbeats are 30 s apart.
        let slow = self.series([(0, 0), (30_000, 300), (60_000, 600)])
        #expect(slow.perSecond(over: 1000, at: 140_000) == 10 && slow.perSecond(over: 1000, at: 160_000) == nil)
    }

    @Test("the parts of the last minute are the rates in them, and unknown before the first sample")
    func parts() {
        let series = series([(0, 0), (1000, 10), (2000, 10), (3000, 40)])
        #expect(series.parts(3, over: 3000, at: 3000) == [10, 0, 30])
        #expect(series.parts(2, over: 4000, at: 3000) == [nil, 15])
        #expect(series.parts(0, over: 1000, at: 3000) == [])
        #expect(series.parts(2, over: 2000, at: 100_000) == [nil, nil])
        // What is old is dropped: an hour of samples costs no more than a minute of them.
        let long = self.series((0..<3600).map { (at: Int64($0) * 1000, count: Double($0)) })
        #expect(long.parts(60, over: 60_000, at: 3_599_000).allSatisfy { $0 == 1 })
        #expect(long.parts(60, over: 600_000, at: 3_599_000).first == .some(nil))
    }

    @Test("a sparkline distinguishes nothing from little, and both from unknown")
    func sparkline() {
        #expect(Sparkline.text([nil, 0, 0.001, 50, 80, 100]) == " ▁▂▅▇█")
        #expect(Sparkline.text([0, 0]) == "▁▁" && Sparkline.text([]) == "" && Sparkline.text([3]) == "█")
        #expect(Sparkline.text([.infinity, .nan, -1, 1]) == "  ▁█")
        #expect(Sparkline.sum([[1, nil, nil], [2, 5, nil]]) == [3, 5, nil] && Sparkline.sum([]) == [])
    }

    @Test("what is not seen for ten minutes is forgotten")
    func book() {
        var book = RateBook()
        book.add("a", 1, at: 0)
        book.add("a", 2, at: 1000)
        book.add("b", nil, at: 1000)
        #expect(book["a"].perSecond(over: 1000, at: 1000) == 1 && book["b"].perSecond(over: 1000, at: 1000) == nil)
        book.forget(at: 601_001)
        book.add("a", 3, at: 601_001)
        #expect(book["a"].perSecond(over: 1000, at: 601_001) == nil)
    }
}
