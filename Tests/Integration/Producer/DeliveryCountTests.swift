import Core
import Harness
import Publishing
import Sandbox
import TestSupport
import Testing

/// What is known of lines that wait for Kafka's answer.
extension DeliveryTests {
    @Test("lines that wait for Kafka's answer are shown until it has come")
    func linesWithoutAnswerAreShown() throws {
        let (counts, isHeld) = (PublishCounts(), Stop())
        front.judge = { _ in
            isHeld.wait(for: .seconds(60))
            return 0
        }
        let acknowledged = try publish((1...20).map { tweet($0) }, counts: counts) { _ in
            let isShown = eventually { counts.queued.value == 20 }
            #expect(isShown, "\(counts.queued.value)")
            isHeld.raise()
        }
        #expect(acknowledged == 20 && counts.queued.value == 0)
    }

    @Test("an outage is shown, and what came before it counts, while lines wait for room in the client")
    func anOutageIsShownWhileTheClientIsFull() throws {
        let (counts, isHeld, batches) = (PublishCounts(), Stop(), Counter())
        front.judge = { _ in
            batches.add()
            if batches.value > 1 { isHeld.wait(for: .seconds(60)) }
            return 0
        }
        let properties = ["batch.size": "4000", "compression.type": "none", "reconnect.backoff.max.ms": "500"]
        let acknowledged = try publish((1...1000).map { tweet($0) }, properties, counts: counts) { _ in
            let isFull = eventually {
                counts.connected.value == 1 && counts.acknowledged[.tweets].value > 0 && counts.queued.value > 100
            }
            #expect(isFull, "\(counts.queued.value)")
            kafka.setBroker(isUp: false)
            isHeld.raise()
            let isShown = eventually { counts.connected.value == 0 }
            #expect(isShown)
            kafka.setBroker(isUp: true)
        }
        #expect(acknowledged == 1000 && counts.connected.value == 1)
    }
}
