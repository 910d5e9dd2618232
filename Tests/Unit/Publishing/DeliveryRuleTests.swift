import Testing

@testable import Publishing

/// The two rules of delivery, without Kafka.
@Suite(.timeLimit(.minutes(5))) struct DeliveryRuleTests {
    @Test func oneRejectionAmongAcceptedRecordsIsTheRecordsFault() {
        var breaker = RejectionBreaker()
        for _ in 0..<100 {
            for _ in 1..<RejectionBreaker.limit {
                let isAtFault = breaker.reject("t")
                #expect(isAtFault)
            }
            #expect(breaker.pausedTopic == nil && breaker.isWatching("t"))
            let endsPause = breaker.accept("t")
            #expect(!endsPause, "nothing was paused")
        }
    }

    @Test func rejectionsInARowAreTheTopicsFaultUntilItAcceptsOne() {
        var breaker = RejectionBreaker()
        for _ in 1..<RejectionBreaker.limit {
            let isAtFault = breaker.reject("t")
            #expect(isAtFault)
        }
        for _ in 0..<10 {
            let isAtFault = breaker.reject("t")
            #expect(!isAtFault)
        }
        #expect(breaker.pausedTopic == "t")
        let others = breaker.accept("other")
        #expect(!others && breaker.pausedTopic == "t")
        let its = breaker.accept("t")
        #expect(its && breaker.pausedTopic == nil)
        let isAtFault = breaker.reject("t")
        #expect(isAtFault, "it counts anew")
    }

    @Test func theWindowGrowsOnlyWhenItIsUsedAndFast() {
        var window = DeliveryWindow(socketTimeout: .seconds(60))
        let hasGrown = window.adapt(to: .milliseconds(5))
        #expect(!hasGrown, "there was room")
        for _ in 0..<20 {
            window.noteFull()
            _ = window.adapt(to: .milliseconds(5))
        }
        #expect(window.bytes == .max, "only librdkafka's queue is a limit")
        window.noteFull()
        let hasChanged = window.adapt(to: .seconds(10))
        #expect(!hasChanged, "slow enough to stay, fast enough not to shrink")
        for _ in 0..<20 { _ = window.adapt(to: .seconds(16)) }
        #expect(window.bytes == DeliveryWindow.least)
    }

    @Test func aTimeOutMakesAnEighthOfIt() {
        var window = DeliveryWindow(socketTimeout: .seconds(60))
        window.timeOut(outstanding: DeliveryWindow.initial)
        #expect(window.bytes == DeliveryWindow.initial / 8)
        window.timeOut(outstanding: 1000)
        #expect(window.bytes == DeliveryWindow.initial / 8, "too little to be the reason")
        window.timeOut(outstanding: 1 << 20)
        #expect(window.bytes == DeliveryWindow.least)
    }
}
