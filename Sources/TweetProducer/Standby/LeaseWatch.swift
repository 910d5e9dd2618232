/// Decides whose the lease is, as a pure value fed with the note that Kafka keeps.
///
/// Kafka accepts every note and keeps the last one. So the lease is taken by Fischer's algorithm (Lamport, "A Fast Mutual
/// Exclusion Algorithm", 1987, section 2): a candidate that finds it free writes a bid, waits longer than a write takes, and
/// has the lease if its bid is still there. Each bid has a greater term than the lease before it. A note that a holder writes
/// late, after a pause, has a lower term, and nobody yields to it.
struct LeaseWatch {
    /// What a look at the note asks for.
    enum Step: Equatable {
        /// Another producer has the lease.
        case passive
        /// A bid with this term is to be written.
        case bid(Int64)
        /// The bid is there, and may still be replaced by another one.
        case settling
        /// The lease is ours from now on, with this term; the note is to be written.
        case won(Int64)
        /// The lease is still ours; the note is to be written anew.
        case hold(Int64)
    }

    /// How long a note may stay as it is before the lease counts as free; its holder writes it several times a second.
    static let patience = Duration.seconds(10)
    /// How long a bid must stay before it has won: longer than any other candidate takes from its look to its bid.
    static let settlement = Duration.seconds(1)
    /// A look counts for at most this long. So what Kafka did not answer is not counted as the holder's silence: it could not
    /// write either.
    static let longestLook = Duration.seconds(2)

    private let journal: String
    /// The last note of the greatest term.
    private var newest: LeaseNote?
    private var quiet = Duration.zero
    private var lookedAt: ContinuousClock.Instant?
    /// The term of our bid, and then of our lease.
    private var term: Int64?
    private var bidSeenAt: ContinuousClock.Instant?
    private var isHolder = false
    /// The note that was there before our bid; nil when there was none.
    private(set) var predecessor: LeaseNote?

    /// - Parameter journal: the id of our journal.
    init(journal: String) {
        self.journal = journal
    }

    /// Looks at the note.
    ///
    /// - Parameters:
    ///   - note: as it was read; nil when there is none.
    ///   - now: when it was read.
    /// - Returns: what to do.
    mutating func look(at note: LeaseNote?, now: ContinuousClock.Instant) -> Step {
        see(note, now)
        if let step = continued(note, now) { return step }
        (term, bidSeenAt, isHolder) = (nil, nil, false)
        guard isFree else {
            predecessor = nil
            return .passive
        }
        // A bid of ours that was replaced is no lease.
        if newest?.journal != journal || predecessor == nil { predecessor = newest }
        let next = (newest?.term ?? 0) + 1
        term = next
        return .bid(next)
    }

    private mutating func see(_ note: LeaseNote?, _ now: ContinuousClock.Instant) {
        if let lookedAt { quiet += min(lookedAt.duration(to: now), Self.longestLook) }
        lookedAt = now
        guard let note, note != newest, note.term >= newest?.term ?? .min else { return }
        (newest, quiet) = (note, .zero)
    }

    /// What follows from our bid or our lease; nil when there is none, or none any more.
    private mutating func continued(_ note: LeaseNote?, _ now: ContinuousClock.Instant) -> Step? {
        guard let term else { return nil }
        if isHolder {
            guard let newest, newest.journal != journal else { return .hold(term) }
            return (newest.term, newest.journal) > (term, journal) ? nil : .hold(term)
        }
        guard let note, note.journal == journal, note.term == term else { return nil }
        let seenAt = bidSeenAt ?? now
        bidSeenAt = seenAt
        guard seenAt.duration(to: now) >= Self.settlement else { return .settling }
        isHolder = true
        return .won(term)
    }

    /// Whether nobody has the lease. One process at a time has our journal, so a note of it is that of a process that has ended.
    private var isFree: Bool {
        guard let newest else { return true }
        return newest.journal == journal || newest.isReleased == true || quiet >= Self.patience
    }
}
