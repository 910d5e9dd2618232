import Core
import TweetFormat
import XAPI

/// The gaps that a connection asks X to fill by sending the last minutes again.
struct Backfill {
    private let minutes: Int
    private let seqs: [Int64]
    private var lookAgain = ContinuousClock.now
    /// The number of the last event that declares the gaps filled, once they are appended.
    private var declared: Int64?
    /// The posts that it names.
    private var filled: Int64 = 0

    private static let glance = Duration.milliseconds(200)

    /// Nil when no gap is short and young enough, or the plan has no backfill.
    init?(_ gaps: OpenGaps, plan: AccountPlan, at now: Timestamp) {
        guard let (minutes, seqs) = RepairPlan.backfill(gaps.gaps, plan: plan, at: now) else { return nil }
        (self.minutes, self.seqs) = (minutes, seqs)
    }

    var query: [(name: String, value: String)] { [("backfill_minutes", String(minutes))] }

    /// Declares the gaps filled once the connection has come to the present: X sends the oldest first.
    ///
    /// Shown by a post made after the connection, or by a minute without interruption.
    ///
    /// - Parameters:
    ///   - recorder: of the connection.
    ///   - begin: when the 200 came.
    ///   - begun: when the connection was asked for.
    ///   - reading: where the result is journalled.
    ///   - scale: of the waits; 1 outside tests.
    /// - Returns: whether that is done and durable.
    /// - Throws: `FileError` when the journal refuses.
    mutating func settle(
        _ recorder: StreamRecorder, _ begin: ContinuousClock.Instant, _ begun: Timestamp, _ reading: StreamReading,
        scale: Double
    ) throws(FileError) -> Bool {
        let now = ContinuousClock.now
        guard now >= lookAgain else { return false }
        lookAgain = now + Self.glance
        if let declared {
            guard reading.journal.source.tail.lastSeq >= declared else { return false }
            fill(recorder, reading)
            return true
        }
        let newest = recorder.lastPostID().flatMap { Int64($0) }.flatMap { Snowflake.timestamp(of: $0) }
        guard newest.map({ $0 >= begun }) == true || begin.duration(to: now) >= ReconnectLadders.provedAfter * scale
        else {
            return false
        }
        for seq in seqs {
            var event = PipelineEvent(.repaired, cause: RepairMethod.backfill.rawValue)
            event.seq = seq
            event.lines = seq == seqs[0] ? recorder.posts : 0
            event.exact = true
            recorder.take(event)
        }
        if let failure = recorder.failure { throw failure }
        declared = recorder.lastEventSeq
        filled = recorder.posts
        return false
    }

    private func fill(_ recorder: StreamRecorder, _ reading: StreamReading) {
        reading.gaps.changeUnsaved(seqs) { gap in
            gap.status = .repairedExactly
            gap.repairedBy = .backfill
            gap.repairConnection = recorder.connection
            if gap.seq == seqs[0] { gap.posts += filled }
        }
        reading.gaps.metrics.repairs[.backfill, .exact].add(seqs.count)
        reading.gaps.metrics.posts[.backfill].add(filled)
        reading.journal.later { [gaps = reading.gaps] in gaps.save() }
    }
}
