import Core
import Synchronization
import Testing

@testable import TweetProducer

/// How a holder and its lease behave over time; the clock is the test's.
@Suite("Standby: the lease over time") struct LeaseTests {
    private final class Clock: Sendable {
        private let time = Mutex(ContinuousClock.now)

        var now: ContinuousClock.Instant { time.withLock(\.self) }

        func advance(_ duration: Duration) { time.withLock { $0 += duration } }
    }

    private let clock = Clock()
    private let lease: Lease

    init() {
        lease = Lease(journal: "bbbbbbbb") { [clock] in clock.now }
    }

    /// A note of another holder, which has left its connection.
    private var other: LeaseNote {
        var note = LeaseNote(journal: "aaaaaaaa", host: "one")
        note.opened = OpenedConnection(stream: "s", begun: 1, opened: 2)
        return note
    }

    /// Looks whether X is to be read, as the reader does.
    private func looks() -> Bool {
        lease.waitToRead(atMost: .zero, Stop())
        return lease.reads
    }

    @Test("X displaces a holder that Kafka has not answered for 5 s; after 60 s without Kafka it tries X again")
    func displaced() {
        #expect(lease.won(other) && lease.takeHandover() != nil)
        clock.advance(.milliseconds(4900))
        #expect(!lease.displaced() && lease.role == .active, "Kafka has answered not long ago")
        lease.answered()
        clock.advance(.milliseconds(4900))
        #expect(!lease.unanswered() && !lease.displaced())
        clock.advance(.milliseconds(100))
        #expect(lease.displaced() && lease.role == .displaced)
        #expect(!looks())
        clock.advance(.seconds(59))
        #expect(!looks() && lease.takeHandover() == nil)
        clock.advance(.seconds(1))
        #expect(looks() && lease.role == .unsure && lease.takeHandover() != nil)
    }

    @Test("a displaced holder is passive as soon as Kafka says that another one has the lease")
    func lost() {
        _ = lease.won(other)
        clock.advance(.seconds(5))
        #expect(lease.displaced())
        lease.lost()
        clock.advance(.seconds(100))
        #expect(!looks() && lease.role == .passive)
    }

    @Test("the holder before has 8 s to end by itself")
    func grace() {
        #expect(lease.graceLeft == .zero, "without a lease nobody is waited for")
        _ = lease.won(other)
        #expect(lease.graceLeft == .seconds(8))
        clock.advance(.seconds(3))
        #expect(lease.graceLeft == .seconds(5))
        clock.advance(.seconds(6))
        #expect(lease.graceLeft == .zero)
    }

    @Test(
        "the connection that the holder before has noted is closed; for one without a note, what was opened before the lease"
    )
    func predecessor() {
        let now = Timestamp(milliseconds: 1_790_000_000_000)
        #expect(lease.takePredecessor(of: "s", at: now) == nil)
        _ = lease.won(other)
        clock.advance(.seconds(10))
        #expect(lease.takePredecessor(of: "s", at: now) == other.opened)
        let begun = now.milliseconds - 10_000
        let wide = OpenedConnection(stream: "s", begun: begun - 86_400_000, opened: begun)
        #expect(lease.takePredecessor(of: "s", at: now) == wide, "a note counts once")
    }

    @Test(
        "the holder before may have connected again after its note: 30 s later everything before the lease is its own")
    func longLease() {
        let now = Timestamp(milliseconds: 1_790_000_000_000)
        _ = lease.won(other)
        clock.advance(.seconds(29))
        #expect(lease.takePredecessor(of: "s", at: now) == other.opened)
        lease.lost()
        _ = lease.won(other)
        clock.advance(.seconds(30))
        let begun = now.milliseconds - 30_000
        let wide = OpenedConnection(stream: "s", begun: begun - 86_400_000, opened: begun)
        #expect(lease.takePredecessor(of: "s", at: now) == wide)
    }
}
