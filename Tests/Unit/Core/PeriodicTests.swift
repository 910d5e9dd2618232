import Testing

@testable import Core

@Suite(.timeLimit(.minutes(5))) struct PeriodicTests {
    @Test func itIsDueOnceInAnInterval() {
        func times(_ pace: Periodic) -> [Bool] {
            var pace = pace
            return [pace.isDue(), pace.isDue()]
        }
        #expect(times(Periodic(every: .seconds(3600), atOnce: true)) == [true, false])
        #expect(times(Periodic(every: .seconds(3600))) == [false, false])
        #expect(times(Periodic(every: .zero)) == [true, true])
    }
}
