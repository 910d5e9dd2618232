import Testing

@testable import LogShipping

/// The queue in memory: bounded, in order, and nothing is lost without a count.
@Suite(.timeLimit(.minutes(5))) struct MemoryQueueTests {
    private static func line(_ number: Int, bytes: Int = 100) -> String {
        let text = "{\"n\":\(number)"
        return text + ",\"p\":\"" + String(repeating: "x", count: max(0, bytes - text.utf8.count - 8)) + "\"}"
    }

    @Test func eventsComeInOrderAndInBounds() {
        let queue = MemoryQueue(limit: 1 << 20, counts: ShippingCounts())
        for number in 1...10 { queue.append(Self.line(number)) }
        #expect(queue.pending.events == 10)
        let first = queue.take(bytes: 350, count: 100, newest: false)
        #expect(first.map(\.number) == [1, 2, 3])
        #expect(queue.take(bytes: 1 << 20, count: 2, newest: false).map(\.number) == [4, 5])
        #expect(queue.take(bytes: 1, count: 5, newest: false).map(\.number) == [6], "one is taken in any case")
        #expect(queue.take(bytes: 1 << 20, count: 2, newest: true).map(\.number) == [9, 10])
        #expect(queue.take(bytes: 1 << 20, count: 100, newest: false).map(\.number) == [7, 8])
        #expect(queue.pending.events == 0 && queue.pending.bytes == 0)
        #expect(queue.take(bytes: 1 << 20, count: 100, newest: true).isEmpty)
    }

    @Test func theOldestMakeRoomAndAreCounted() {
        let counts = ShippingCounts()
        let queue = MemoryQueue(limit: 10_000, counts: counts)
        for number in 1...50_000 {
            queue.append(Self.line(number))
            if number % 7 == 0 { #expect(queue.pending.bytes <= 10_000) }
        }
        let left = queue.take(bytes: 1 << 20, count: 1 << 20, newest: false)
        #expect(left.count == 10_000 / (100 + MemoryQueue.overhead))
        #expect(left.map(\.number) == Array(50_001 - Int64(left.count)...50_000))
        #expect(counts.dropped[.queueFull].value == Double(50_000 - left.count))
    }
}
