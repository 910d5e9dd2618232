/// Decides whose the lease is, as a pure value fed with the note that the group keeps.
struct LeaseWatch {
    private var text: String?
    private var since: ContinuousClock.Instant?

    /// How long a note may stay as it is before the lease counts as free; its holder writes it twice a second.
    ///
    /// As long as a session of the group by default: when that ends, nothing has to be waited for.
    static let patience = Duration.seconds(10)

    /// Whether the lease is ours.
    ///
    /// - Parameters:
    ///   - text: the note; nil while there is none.
    ///   - journal: our journal.
    ///   - hasPartition: whether the group lets us take a lease that is free.
    ///   - now: the time.
    /// - Returns: whether we are the holder, or may become it.
    mutating func isOurs(
        _ text: String?, journal: String, hasPartition: Bool, at now: ContinuousClock.Instant
    ) -> Bool {
        if since == nil || text != self.text { (self.text, since) = (text, now) }
        guard let note = text.flatMap(LeaseNote.init) else { return hasPartition }
        if note.journal == journal { return note.isReleased != true || hasPartition }
        guard hasPartition, let since else { return false }
        return note.isReleased == true || since.duration(to: now) >= Self.patience
    }
}
