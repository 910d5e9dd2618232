import Synchronization
import Testing

@testable import Core
@testable import LogShipping

/// What is sent when, in virtual time.
@Suite(.timeLimit(.minutes(5))) struct ShippingPlanTests {
    /// A plan with a receiver whose answers a test decides, and a clock that only goes when it is told.
    private final class World {
        let counts = ShippingCounts()
        let queue: MemoryQueue
        var plan: ShippingPlan
        var now = ContinuousClock.now
        let begin: ContinuousClock.Instant
        /// Every request: when, and the events.
        private(set) var requests: [(at: Duration, events: [ShippedEvent])] = []
        private(set) var troubles: [ShippingPlan.Trouble] = []
        var answer: ([ShippedEvent]) -> ShippingVerdict = { _ in .accepted(rejected: 0) }
        private var appended = 0

        init(_ limits: ShippingPlan.Limits = .init(), queue bytes: Int = 1 << 20) {
            queue = MemoryQueue(limit: bytes, counts: counts)
            begin = now
            let source = EventSource(service: "s", host: "h")
            plan = ShippingPlan(
                limits: limits, queue: queue, counts: counts, source: source,
                wallClock: { Timestamp(milliseconds: 0) }, random: { 1 })
        }

        var passed: Duration { begin.duration(to: now) }

        func append(_ count: Int = 1, bytes: Int = 200) {
            for _ in 0..<count {
                appended += 1
                let text = "{\"n\":\(appended),\"p\":\""
                queue.append(text + String(repeating: "x", count: max(0, bytes - text.utf8.count - 2)) + "\"}")
            }
        }

        /// Lets time pass, and does what is due meanwhile; requests take no time.
        func run(for length: Duration) {
            let end = now + length
            while true {
                switch plan.step(now) {
                case .send(let batch):
                    requests.append((passed, batch.events))
                    if let trouble = plan.settle(answer(batch.events), now) { troubles.append(trouble) }
                case .wait(let until?) where until <= end: now = until
                case .wait:
                    now = end
                    return
                }
            }
        }

        var shipped: Int { Int(counts.shipped.value) }
        func dropped(_ reason: LogDropReason) -> Int { Int(counts.dropped[reason].value) }
        /// Numbers of the events of a request; 0 for one that is in no queue.
        func numbers(_ request: Int) -> [Int64] { requests[request].events.map(\.number) }
    }

    private static let down = ShippingVerdict.transient(reason: "connect", after: nil)

    @Test func theFirstEventGoesAtOnceAndOthersOnceASecond() {
        let world = World()
        world.append()
        world.run(for: .milliseconds(10))
        #expect(world.requests.map(\.at) == [.zero])
        world.append(3)
        world.run(for: .milliseconds(500))
        #expect(world.requests.count == 1)
        world.run(for: .milliseconds(600))
        #expect(world.requests.map(\.at) == [.zero, .seconds(1)])
        #expect(world.numbers(1) == [2, 3, 4] && world.shipped == 4)
    }

    @Test func aFullBatchDoesNotWait() {
        var limits = ShippingPlan.Limits()
        limits.batchBytes = 16 << 10
        let world = World(limits)
        world.append(1000, bytes: 200)
        world.run(for: .milliseconds(1))
        #expect(world.requests.count >= 12)
        #expect(world.requests.allSatisfy { $0.events.reduce(0) { $0 + $1.bytes } <= 16 << 10 })
        world.run(for: .seconds(2))
        #expect(world.requests.flatMap { $0.events.map(\.number) } == Array(1...1000))
    }

    @Test("f97: a day of outage: memory is flat, the oldest go first, and their count arrives")
    func f97ADayOfOutageKeepsMemoryFlatAndItsCountArrives() {
        let world = World()
        world.answer = { _ in Self.down }
        var most = 0
        for _ in 0..<86_400 {
            world.append(3)
            world.run(for: .seconds(1))
            most = max(most, world.queue.pending.bytes + world.plan.heldBytes)
        }
        #expect(most <= 1 << 20 + 512 << 10)
        // After 10 attempts or 10 minutes a batch is dropped; waits grow to a minute.
        #expect((1440...1600).contains(world.requests.count), "\(world.requests.count)")
        let lost = Int(world.counts.allDropped)
        #expect(world.shipped == 0 && world.dropped(.abandoned) > 0 && world.dropped(.queueFull) > 50_000)
        world.answer = { _ in .accepted(rejected: 0) }
        let count = world.requests.count
        world.run(for: .seconds(120))
        let arrived = world.requests[count...].flatMap(\.events)
        // The batch that was under way had no news of those that were lost after it began.
        #expect(arrived.reduce(0) { $0 + Int($1.announced) } == Int(world.counts.allDropped))
        #expect(Int(world.counts.allDropped) == lost)
        #expect(arrived.contains { $0.announced > 0 && $0.line.contains(#""dropped":"#) })
        let numbers = arrived.map(\.number).filter { $0 > 0 }
        #expect(numbers == numbers.sorted() && numbers.last == 3 * 86_400)
        #expect(world.shipped + lost == 3 * 86_400 && numbers.count == world.shipped)
    }

    @Test func attemptsAreBoundedByNumberWithFullJitter() {
        let world = World()
        world.answer = { _ in Self.down }
        world.append()
        world.run(for: .seconds(600))
        let ats = world.requests.prefix(10).map(\.at)
        // With the greatest chance: 0.5, 1, 2, … 60 s.
        let waits = zip(ats.dropFirst(), ats).map { ($0 - $1).milliseconds }
        #expect(waits == [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
        #expect(world.dropped(.abandoned) == 1 && world.troubles.contains(.abandoned(reason: "connect", events: 1)))
        // Then only the count is there to be sent.
        #expect(world.requests.dropFirst(10).allSatisfy { $0.events.map(\.announced) == [1] })
    }

    @Test func attemptsAreBoundedByTime() {
        var limits = ShippingPlan.Limits()
        (limits.tries, limits.retryTime) = (1_000_000, .seconds(100))
        let world = World(limits)
        world.answer = { _ in Self.down }
        world.append()
        world.run(for: .seconds(600))
        // At 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5 and 123.5 s.
        #expect(world.requests.count { $0.events.map(\.number) == [1] } == 9)
        #expect(world.dropped(.abandoned) == 1)
    }

    @Test func theReceiverMayAskForALongerWaitButNotForEver() {
        let world = World()
        world.answer = { _ in .transient(reason: "HTTP 429", after: .seconds(90)) }
        world.append()
        world.run(for: .seconds(80))
        #expect(world.requests.count == 1)
        world.answer = { _ in .transient(reason: "HTTP 429", after: .seconds(1 << 30)) }
        world.run(for: .seconds(15))
        #expect(world.requests.map(\.at) == [.zero, .seconds(90)])
        world.answer = { _ in .accepted(rejected: 0) }
        world.run(for: .seconds(600))
        #expect(world.requests.map(\.at) == [.zero, .seconds(90), .seconds(690)])
        #expect(world.shipped == 1 && world.counts.retries.value == 2)
    }

    @Test func anEventThatTheReceiverRejectsCostsNoOther() {
        let world = World()
        world.append(100)
        world.answer = { events in
            events.contains { $0.number == 37 }
                ? .invalid(reason: "HTTP 400", isDivisible: true) : .accepted(rejected: 0)
        }
        world.run(for: .seconds(5))
        #expect(world.shipped == 99 && world.dropped(.rejected) == 1)
        #expect(world.requests.count < 20 && world.requests.allSatisfy { $0.at <= .seconds(2) })
        #expect(world.troubles.filter { $0 != .dividing } == [.rejected(reason: "HTTP 400", events: 1)])
        // The count of what was dropped arrives, too.
        #expect(world.requests.last?.events.map(\.announced) == [1])
        let accepted = world.requests.map { $0.events.map(\.number) }.filter { !$0.contains(37) }.flatMap { $0 }
        #expect(accepted.filter { $0 > 0 } == Array(1...36) + Array(38...100))
    }

    @Test func aReceiverThatRejectsEverythingIsNotFlooded() {
        let world = World()
        world.answer = { _ in .invalid(reason: "HTTP 404", isDivisible: true) }
        for _ in 0..<3600 {
            world.append(50)
            world.run(for: .seconds(1))
        }
        #expect(world.requests.count < 200, "\(world.requests.count)")
        #expect(world.shipped == 0 && world.dropped(.rejected) > 0)
        world.answer = { _ in .accepted(rejected: 0) }
        world.run(for: .seconds(120))
        #expect(world.shipped > 0 && world.queue.pending.events == 0)
        #expect(world.shipped + Int(world.counts.allDropped) == 3600 * 50)
    }

    @Test func aFailureThatNoPartWouldSurviveIsNotDivided() {
        let world = World()
        world.append(100)
        world.answer = { _ in .invalid(reason: "HTTP 501", isDivisible: false) }
        world.run(for: .milliseconds(1))
        #expect(world.dropped(.rejected) == 100 && world.numbers(0).count == 100)
    }

    @Test func aRefusalDropsNothingAndEndsWithANewToken() {
        let world = World()
        world.append()
        world.answer = { _ in .refused(reason: "HTTP 401") }
        world.run(for: .seconds(3000))
        #expect(world.requests.map(\.at) == (0...10).map { .seconds(300 * $0) })
        #expect(world.counts.allDropped == 0 && world.plan.isRefused)
        world.answer = { _ in .accepted(rejected: 0) }
        world.plan.tryAgain()
        world.run(for: .seconds(1))
        #expect(world.shipped == 1 && !world.plan.isRefused)
    }

    @Test func whatElasticRejectsForNowComesAgainAlone() {
        let world = World()
        world.append(5)
        world.answer = { _ in .partly(again: [1, 3], rejected: 1, reason: "429") }
        world.run(for: .milliseconds(1))
        world.answer = { _ in .accepted(rejected: 0) }
        world.run(for: .seconds(5))
        #expect(world.numbers(0) == [1, 2, 3, 4, 5] && world.numbers(1) == [2, 4])
        #expect(world.shipped == 4 && world.dropped(.rejected) == 1)
    }

    @Test("at the end: the last word first, then the newest, one attempt each")
    func theEnd() {
        var limits = ShippingPlan.Limits()
        limits.batchBytes = 16 << 10
        let world = World(limits)
        world.append(200, bytes: 200)
        world.plan.begin(with: "{\"last\":\"word\"}")
        #expect(world.plan.work.first?.events.map(\.line) == ["{\"last\":\"word\"}"])
        #expect(world.plan.settleAtEnd(.accepted(rejected: 0), world.now).goesOn)
        var order: [Int64] = []
        while let batch = world.plan.nextAtEnd() {
            order.append(contentsOf: batch.events.map(\.number))
            #expect(world.plan.settleAtEnd(.accepted(rejected: 0), world.now).goesOn)
        }
        #expect(order.sorted() == Array(1...200) && order.first ?? 0 > 100 && order.last ?? 0 < 100)
        #expect(world.plan.left == 0)
        world.append(3)
        #expect(world.plan.nextAtEnd() != nil)
        #expect(!world.plan.settleAtEnd(Self.down, world.now).goesOn)
        #expect(world.plan.left == 3)
    }
}
