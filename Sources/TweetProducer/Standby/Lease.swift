import Core
import Synchronization

/// The lease of a stream, between the thread that keeps it and the thread that reads X.
package final class Lease: Sendable {
    private struct State {
        var election = Election()
        /// The newest note of any holder; nil while there is none.
        var note: LeaseNote?
        /// What was known when reading began, until the reader has declared from where it reads.
        var handover: Handover?
        var wonAt: ContinuousClock.Instant?
        var displacedAt: ContinuousClock.Instant?
        /// When Kafka has answered last, and accepted the note of a holder.
        var answeredAt: ContinuousClock.Instant
        /// The connection of the holder before us, until it is known to X's remedies.
        var predecessor: OpenedConnection?
        /// When X was last heard, and on which connections; the newest is the last.
        var heardAt: Timestamp?
        var connections: [Int64] = []
        var opened: OpenedConnection?
        var attempts: [Int64] = []

        /// Makes a holder unsure that Kafka has not answered for a while.
        ///
        /// - Returns: whether Kafka has not.
        mutating func doubt(_ now: ContinuousClock.Instant) -> Bool {
            guard answeredAt.duration(to: now) >= Lease.certainty else { return false }
            election.revoked()
            return true
        }
    }

    /// The beginning of reading.
    struct Handover: Sendable {
        /// The note of the holder before, who may be ourselves; nil when there was none.
        var note: LeaseNote?
    }

    /// What the reader knows of the stream.
    struct Reading: Sendable {
        var heardAt: Timestamp?
        var connections: [Int64]
        var opened: OpenedConnection?
        var attempts: [Int64]
    }

    private let state: Mutex<State>
    private let signal = Signal()
    /// The journal's id.
    let journal: String

    /// How long the holder before us may go on reading before its connection is closed. It may be cut off from Kafka only,
    /// and back soon; or X has not noticed yet that it is gone.
    static let grace = Duration.seconds(8)
    /// How long a holder is sure of its lease after Kafka's last answer: half of what the others wait.
    private static let certainty = LeaseWatch.patience / 2
    /// After this long, what X still holds from before the lease was ours belongs to the holder before us.
    private static let longLease = Duration.seconds(30)
    /// How long to wait between two attempts meanwhile.
    static let graceStep = Duration.seconds(4)
    /// How long a displaced holder that cannot reach Kafka stays away from X.
    static let patience = Duration.seconds(60)
    /// How long a holder that is not sure of its lease lets others connect first.
    static let courtesy = Duration.seconds(5)

    private let clock: @Sendable () -> ContinuousClock.Instant

    init(journal: String, clock: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.journal = journal
        self.clock = clock
        state = Mutex(State(answeredAt: clock()))
    }

    /// The part that this producer plays.
    var role: Election.Role { state.withLock { $0.election.role } }
    /// Whether X is read.
    var reads: Bool { state.withLock { $0.election.reads } }

    /// Waits until X is to be read, for at most `duration`.
    func waitToRead(atMost duration: Duration, _ stop: Stop) {
        let wake = stop.onRaise { [signal] in signal.notify() }
        defer { wake.end() }
        signal.wait(until: .now + duration) { self.reads || stop.isRaised }
        state.withLock { state in
            guard let since = state.displacedAt, since.duration(to: clock()) >= Self.patience else { return }
            if state.election.patienceEnded() {
                (state.handover, state.displacedAt) = (Handover(note: state.note), nil)
            }
        }
    }

    // MARK: The thread that keeps it

    /// The lease is ours.
    ///
    /// - Parameter note: the note before: of the holder before, or our own.
    /// - Returns: whether reading begins.
    func won(_ note: LeaseNote?) -> Bool {
        let begins = state.withLock { state -> Bool in
            state.displacedAt = nil
            guard state.election.role != .active else { return false }
            state.wonAt = clock()
            guard state.election.elected(true) else { return false }
            if let note, note.journal != journal { state.predecessor = note.opened }
            // An earlier lease of ours has left the rest, which says nothing of this one.
            (state.note, state.handover, state.opened) = (note, Handover(note: note), nil)
            (state.heardAt, state.connections) = (nil, [])
            return true
        }
        signal.notify()
        return begins
    }

    /// The lease is that of another producer.
    func lost() {
        state.withLock { state in
            _ = state.election.elected(false)
            state.displacedAt = nil
        }
        signal.notify()
    }

    /// Kafka has answered, and has accepted the note of a holder.
    func answered() {
        state.withLock { $0.answeredAt = clock() }
    }

    /// Kafka has not answered, or has rejected the note.
    ///
    /// - Returns: whether that has lasted so long that a holder is not sure of its lease.
    func unanswered() -> Bool {
        state.withLock { $0.doubt(clock()) }
    }

    /// What the reader knows.
    var reading: Reading {
        state.withLock {
            Reading(heardAt: $0.heardAt, connections: $0.connections, opened: $0.opened, attempts: $0.attempts)
        }
    }

    /// The newest note, to be continued by the holder.
    var note: LeaseNote? {
        get { state.withLock { $0.note } }
        set { state.withLock { $0.note = newValue } }
    }

    // MARK: The thread that reads

    /// What is to be declared when reading has begun since the last call; nil when it has not.
    func takeHandover() -> Handover? {
        state.withLock { $0.handover.take() }
    }

    /// X gives the connection to another producer.
    ///
    /// - Returns: whether reading ends.
    func displaced() -> Bool {
        state.withLock { state in
            // A process that was paused knows less than it seems.
            _ = state.doubt(clock())
            guard state.election.displaced() else { return false }
            state.displacedAt = clock()
            return true
        }
    }

    /// Takes note of what X has sent.
    func heard(at moment: Timestamp?, on connection: Int64) {
        state.withLock { state in
            if let moment { state.heardAt = moment }
            if state.connections.last != connection { state.connections = state.connections.suffix(20) + [connection] }
        }
    }

    /// Takes note of a connection that X has opened.
    func opened(_ connection: OpenedConnection) {
        state.withLock { $0.opened = connection }
    }

    /// Takes note of the attempts of the last window.
    func attempted(_ attempts: [Int64]) {
        state.withLock { $0.attempts = attempts.suffix(LeaseNote.mostAttempts) }
    }

    /// How long X may still hold the connection of the holder before us; zero when it is to be closed.
    var graceLeft: Duration {
        guard let wonAt = state.withLock({ $0.election.role == .active ? $0.wonAt : nil }) else { return .zero }
        return max(.zero, Self.grace - wonAt.duration(to: clock()))
    }

    /// The connection of the holder before us, once. A holder that died in its first second has left none: then, and when the
    /// lease has been ours for 30 s, it is the one that was opened before the lease was ours.
    ///
    /// - Parameters:
    ///   - stream: the stream.
    ///   - now: the time.
    /// - Returns: the connection; its bounds are wide when only they are known.
    func takePredecessor(of stream: String, at now: Timestamp) -> OpenedConnection? {
        state.withLock { state in
            guard let wonAt = state.wonAt else { return nil }
            let held = wonAt.duration(to: clock())
            if held < Self.longLease, let known = state.predecessor.take() { return known }
            let won = now.advanced(by: .zero - held).milliseconds
            return OpenedConnection(stream: stream, begun: won - 86_400_000, opened: won)
        }
    }
}
