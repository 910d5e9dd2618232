import TestSupport
import Testing

@testable import Core
@testable import TweetProducer

@Suite("Standby: whose the lease is", .timeLimit(.minutes(5))) struct LeaseWatchTests {
    private let start = ContinuousClock.now
    private let a = LeaseNote(journal: "aaaaaaaa", host: "one").continued(by: "aaaaaaaa", host: "one", term: 4)

    /// Looks at a note every second until the last of the seconds; returns what that look asks for.
    private func look(
        _ watch: inout LeaseWatch, _ note: LeaseNote?, _ seconds: ClosedRange<Int>
    ) -> LeaseWatch.Step {
        var step = LeaseWatch.Step.passive
        for second in seconds { step = watch.look(at: note, now: start + .seconds(second)) }
        return step
    }

    /// A producer that has won with term 5.
    private func winner() -> LeaseWatch {
        var watch = LeaseWatch(journal: "bbbbbbbb")
        #expect(look(&watch, a, 0...9) == .passive)
        #expect(look(&watch, a, 10...10) == .bid(5))
        #expect(watch.predecessor == a)
        let bid = a.continued(by: "bbbbbbbb", host: "two", term: 5)
        #expect(look(&watch, bid, 11...11) == .settling)
        #expect(look(&watch, bid, 12...12) == .won(5))
        #expect(look(&watch, bid, 13...13) == .hold(5))
        return watch
    }

    @Test("a lease whose note does not change for 10 s is taken by a bid that stays for a second")
    func silence() {
        _ = winner()
        var watch = LeaseWatch(journal: "bbbbbbbb")
        #expect(look(&watch, a, 0...8) == .passive)
        var renewed = a
        renewed.writtenAt += 1
        #expect(look(&watch, renewed, 9...18) == .passive, "its holder is alive")
    }

    @Test("the first producer of all, the journal of the last holder, and a released lease need not wait")
    func free() {
        var watch = LeaseWatch(journal: "bbbbbbbb")
        #expect(look(&watch, nil, 0...0) == .bid(1))
        watch = LeaseWatch(journal: "aaaaaaaa")
        #expect(look(&watch, a, 0...0) == .bid(5))
        var released = a
        released.isReleased = true
        watch = LeaseWatch(journal: "bbbbbbbb")
        #expect(look(&watch, a, 0...0) == .passive)
        #expect(look(&watch, released, 1...1) == .bid(5))
    }

    @Test("a time in which Kafka did not answer is no silence of the holder")
    func outage() {
        var watch = LeaseWatch(journal: "bbbbbbbb")
        #expect(look(&watch, a, 0...5) == .passive)
        #expect(look(&watch, a, 100...100) == .passive)
        #expect(look(&watch, a, 101...102) == .passive)
        #expect(look(&watch, a, 103...103) == .bid(5))
    }

    @Test("a bid that another one has replaced has not won")
    func replaced() {
        var watch = LeaseWatch(journal: "bbbbbbbb")
        #expect(look(&watch, a, 0...10) == .bid(5))
        let other = a.continued(by: "aaaabbbb", host: "three", term: 5)
        #expect(look(&watch, other, 11...20) == .passive)
        #expect(look(&watch, other, 21...21) == .bid(6))
    }

    @Test("a holder yields to a greater term, and to no note that was written late")
    func late() {
        var watch = winner()
        #expect(look(&watch, a, 14...30) == .hold(5))
        #expect(look(&watch, nil, 31...31) == .hold(5))
        let next = a.continued(by: "aaaaaaaa", host: "one", term: 6)
        #expect(look(&watch, next, 32...32) == .passive)
        #expect(look(&watch, next, 33...42) == .bid(7))
    }

    @Test("of two holders with the same term one yields")
    func same() {
        var watch = winner()
        #expect(look(&watch, a.continued(by: "aaaaaaaa", host: "one", term: 5), 14...14) == .hold(5))
        #expect(look(&watch, a.continued(by: "cccccccc", host: "one", term: 5), 15...15) == .passive)
    }

    @Test("killed holders: never two at a time, and the next one within 2.5 s of the end of the lease")
    func kills() {
        for seed in 0..<40 {
            var world = LeaseWorld(seed: UInt64(seed))
            world.run(until: 4000) { !$0.isEmpty }
            for _ in 0..<6 {
                #expect(world.holders.count == 1, "seed \(seed)")
                guard let holder = world.holders.first, world.othersAreUp(than: holder) else {
                    world.run(until: world.now + 5000) { _ in false }
                    continue
                }
                world.kill(holder)
                let killed = world.now
                world.run(until: killed + 20_000) { !$0.isEmpty }
                #expect(world.now - killed < 12_500, "seed \(seed)")
                world.run(until: world.now + Int.random(in: 0...3000, using: &world.random)) { _ in false }
            }
            #expect(world.mostHolders == 1, "seed \(seed)")
        }
    }

    @Test("candidates whose bids take almost as long as the settlement, and longer than a look: never two holders")
    func slowBids() {
        for seed in 0..<40 {
            var world = LeaseWorld(seed: UInt64(seed), slowest: 900)
            for _ in 0..<6 {
                world.run(until: world.now + 40_000) { !$0.isEmpty }
                // A bid that another one has overtaken is written meanwhile.
                world.run(until: world.now + 3000) { _ in false }
                #expect(world.holders.count == 1, "seed \(seed)")
                if let holder = world.holders.first { world.kill(holder) }
            }
            #expect(world.mostHolders == 1, "seed \(seed)")
        }
    }

    @Test("producers that are paused at any place, between a look and its note as well, end with one holder")
    func pauses() {
        for seed in 0..<60 {
            var world = LeaseWorld(seed: UInt64(seed))
            for _ in 0..<12 {
                world.run(until: world.now + Int.random(in: 100...12_000, using: &world.random)) { _ in false }
                let producer = Int.random(in: 0..<3, using: &world.random)
                if Int.random(in: 0..<4, using: &world.random) == 0 {
                    world.kill(producer)
                } else {
                    world.pause(producer, Int.random(in: 500...25_000, using: &world.random))
                }
            }
            world.run(until: world.now + 45_000) { _ in false }
            let holders = world.holders
            #expect(holders.count == 1, "seed \(seed)")
            world.run(until: world.now + 15_000) { $0 != holders }
            #expect(world.holders == holders, "seed \(seed)")
        }
    }
}

/// Three producers and their note, in simulated milliseconds.
private struct LeaseWorld {
    private enum Event {
        case look
        case write(LeaseNote)
    }

    private struct Producer {
        let journal: String
        var watch: LeaseWatch
        var at: Int
        var event = Event.look
        /// Until when it is down.
        var downUntil = 0
    }

    private var producers: [Producer]
    private var note: LeaseNote?
    private let start = ContinuousClock.now
    private(set) var now = 0
    /// Who believes to have the lease.
    private(set) var holders: Set<Int> = []
    private(set) var mostHolders = 0
    var random: SplitMix64
    /// The longest time from a look to the note that follows from it.
    private let slowest: Int

    init(seed: UInt64, slowest: Int = 80) {
        random = SplitMix64(seed: seed)
        self.slowest = slowest
        producers = ["aaaaaaaa", "bbbbbbbb", "cccccccc"].map {
            Producer(journal: $0, watch: LeaseWatch(journal: $0), at: 0)
        }
        for index in producers.indices { producers[index].at = Int.random(in: 0...300, using: &random) }
    }

    /// Whether a producer but this one is up.
    func othersAreUp(than producer: Int) -> Bool {
        producers.indices.contains { $0 != producer && producers[$0].downUntil <= now }
    }

    /// Runs until a time, or until the holders are as they should be.
    mutating func run(until end: Int, isEnough: (Set<Int>) -> Bool) {
        while let next = producers.indices.min(by: { producers[$0].at < producers[$1].at }), producers[next].at <= end {
            now = producers[next].at
            step(next)
            mostHolders = max(mostHolders, holders.count)
            if isEnough(holders) { return }
        }
        now = end
    }

    /// Kills a producer, which is started again with the same journal.
    mutating func kill(_ index: Int) {
        let journal = producers[index].journal
        let downUntil = now + Int.random(in: 500...20_000, using: &random)
        producers[index] = Producer(
            journal: journal, watch: LeaseWatch(journal: journal), at: downUntil, downUntil: downUntil)
        holders.remove(index)
    }

    /// Pauses a producer, or cuts it off from Kafka: what it was about to do comes late.
    mutating func pause(_ index: Int, _ milliseconds: Int) {
        producers[index].at = max(producers[index].at, now + milliseconds)
    }

    private mutating func step(_ index: Int) {
        if case .write(let written) = producers[index].event {
            note = written
            (producers[index].at, producers[index].event) = (now + 250, .look)
            return
        }
        let step = producers[index].watch.look(at: note, now: start + .milliseconds(now))
        let term: Int64?
        switch step {
        case .passive, .settling:
            holders.remove(index)
            term = nil
        case .bid(let new):
            holders.remove(index)
            term = new
        case .won(let held), .hold(let held):
            holders.insert(index)
            term = held
        }
        producers[index].at = now + Int.random(in: 250...300, using: &random)
        guard let term else { return }
        var written = LeaseNote(journal: producers[index].journal, host: "host")
        (written.term, written.writtenAt) = (term, Int64(now))
        producers[index].at = now + Int.random(in: 1...slowest, using: &random)
        producers[index].event = .write(written)
    }
}
