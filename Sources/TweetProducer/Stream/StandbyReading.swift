import Core
import Journal
import Logging
import TweetFormat

/// What the reader does when several producers share its stream.
extension FilteredStream {
    /// Waits while another producer has the lease; false when the stop is raised.
    func waitForLease(_ reading: StreamReading) throws -> Bool {
        guard let lease, !stop.isRaised else { return !stop.isRaised }
        while !stop.isRaised, !lease.reads {
            if lease.role != .undecided { try becomePassive(lease, reading) }
            lease.waitToRead(atMost: .seconds(1), stop)
            try reading.journal.check()
        }
        guard !stop.isRaised else { return false }
        if let handover = lease.takeHandover() { try begin(lease, handover, reading) }
        return true
    }

    /// Journals that another producer reads, once, and lets go of what it needs.
    private func becomePassive(_ lease: Lease, _ reading: StreamReading) throws {
        guard !isPassive else { return }
        isPassive = true
        credential = nil
        let event = PipelineEvent(.passive, cause: lease.role.rawValue)
        try reading.journal.append(event)
        try reading.journal.sync()
        reading.gaps.cover(at: .now())
        reading.facts.play(.passive)
        reading.metrics.nextAttempt.set(Timestamp?.none)
        reading.metrics.passive.set(true)
        reading.metrics.role.value = StreamFacts.Role.passive.rawValue
        reading.journal.tell(state: "passive: another producer reads the stream")
        Service.show(status: "passive: another producer reads stream \(settings.stream)")
        logger.notice(
            "this producer is passive; another one reads the stream",
            metadata: ["stream": "\(settings.stream)", "cause": "\(lease.role.rawValue)"])
    }

    /// Declares what X has sent since the last line that Kafka has of the stream.
    ///
    /// A producer whose own journal has an open gap and that was the last holder knows better than the lease: its journal has
    /// lines that Kafka may lack.
    private func begin(_ lease: Lease, _ handover: Lease.Handover, _ reading: StreamReading) throws {
        isPassive = false
        reading.facts.play(.active)
        reading.metrics.passive.set(false)
        reading.metrics.role.value = StreamFacts.Role.active.rawValue
        reading.journal.tell(state: "writing")
        Service.show(status: "active: reads stream \(settings.stream)")
        guard let note = handover.note, let receivedAt = note.receivedAt else { return }
        let hasOpenGap = reading.gaps.gaps.last.map { $0.ended == nil } ?? false
        if note.journal == lease.journal, hasOpenGap { return }
        var event = PipelineEvent(.handedOver, cause: "standby")
        event.lastReceivedAt = Timestamp(milliseconds: receivedAt).description
        event.newestID = note.newestID
        event.detail = "from journal \(note.journal) of \(note.host)"
        let seq = try reading.journal.append(event).seq
        try reading.journal.sync()
        reading.gaps.cover(at: .now())
        if let gap = StreamGap(event, seq: seq) { reading.gaps.open(gap) }
        logger.notice(
            "this producer reads the stream in place of another one",
            metadata: [
                "stream": "\(settings.stream)", "journal": "\(note.journal)", "host": "\(note.host)",
                "gap_from": "\(Timestamp(milliseconds: receivedAt))",
            ])
    }

    // MARK: The connect budget

    /// Counts the attempts of the holder before us, which X counts as well.
    func shareBudget(_ now: Timestamp) {
        guard let lease, let budget = credential?.budget, let attempts = lease.note?.attempts, !attempts.isEmpty else {
            return
        }
        let recent = attempts.filter { $0 > now.advanced(by: .zero - ConnectWindow.window).milliseconds }
        if !Set(recent).isSubset(of: budget.attempts) { budget.add(attempts: recent) }
    }

    /// Leaves our attempts to the next holder.
    func noteAttempts() {
        if let lease, let budget = credential?.budget { lease.attempted(budget.attempts) }
    }

    // MARK: X, the fence

    /// The connection of the holder before us may be closed, once that holder had its time.
    func knowPredecessor(_ end: ConnectionEnd) {
        guard let lease, end.isDisplacement, lease.role == .active, lease.graceLeft == .zero,
            let opened = lease.takePredecessor(of: settings.stream, at: .now())
        else { return }
        credential?.budget.noteOpened(opened)
    }

    /// How long to wait for the holder before us, whose connection X still holds; nil when there is none to wait for.
    func waitForPredecessor(_ end: ConnectionEnd) -> Duration? {
        guard let lease, end.isDisplacement, lease.role == .active else { return nil }
        let left = lease.graceLeft
        guard left > .zero else { return nil }
        logger.info(
            "X still holds the connection of the producer before; retrying", metadata: ["for": "\(left.short)"])
        return min(left, Lease.graceStep)
    }

    /// Whether X has given the connection to another producer, so that this one is passive.
    func isDisplaced(_ end: ConnectionEnd, _ reading: StreamReading) -> Bool {
        guard let lease, end.isDisplacement else { return false }
        return lease.displaced() || !lease.reads
    }

    /// How long to let others connect first.
    var courtesy: Duration { lease?.role == .unsure ? Lease.courtesy * settings.backoffScale : .zero }
}
