import Core
import Harness
import Journal
import Sandbox
import Synchronization
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// F9, F17, F18, F31: what a disconnect leaves at X and in the stream, and how it is made good.
@Suite(.serialized, .timeLimit(.minutes(5))) struct GapFaultTests {
    @Test func f09TooManyConnectionsClosesOnlyItsOwn() async throws {
        try await PipelineRun.with(
            ["X_BACKOFF_SCALE": "5"], losesWhileAway: true,
            x: {
                $0.connectionLimit = 2
                $0.linger = .seconds(300)
            }, startsProducer: false
        ) { run in
            let other = run.x.addConnection(age: .seconds(60))
            try run.pipeline.start(.producer)
            try await run.expect("posts") { run.x.issuedCount > 50 }
            run.x.inject(Fault(.reset))
            // Five minutes the old connection would have lingered, and the first wait is one minute, here lengthened to
            // five: longer than what is waited here.
            try await run.expect("the stream") { run.x.connections.count == 2 }
            #expect(run.x.connections[0].lingersUntil == nil)
            #expect(run.x.isOpen(other))
            #expect(run.x.refusals == [429: 1])
            try await run.expectConserved()
        }
    }

    @Test func f09OfTwoConnectionsThatMayBeOursNoneIsClosed() async throws {
        try await PipelineRun.with(losesWhileAway: true, x: { $0.connectionLimit = 2 }, startsProducer: false) { run in
            try run.pipeline.start(.producer)
            try await run.expect("the stream") { run.x.connections.count == 1 }
            let other = run.x.addConnection()
            try await run.expect("posts") { run.x.issuedCount > 50 }
            run.x.linger = .seconds(6)
            run.x.inject(Fault(.reset))
            try await run.expect("the refusal") { run.x.refusals[429] ?? 0 > 0 }
            try await run.expect("the stream") { run.x.connections.count == 2 }
            #expect(run.x.isOpen(other))
            #expect(run.x.connections[0].lingersUntil != nil)
            try await run.expectConserved()
        }
    }

    @Test func f17BackfillClosesAShortGapExactly() async throws {
        try await PipelineRun.with(["X_PLAN": "enterprise", "X_BACKOFF_SCALE": "0.1"], losesWhileAway: true) { run in
            try await run.expect("posts") { run.x.issuedCount > 50 }
            run.x.inject(Fault(.refuse, count: 1, endpoint: "stream"))
            run.x.inject(Fault(.close))
            try await run.expect("the stream") { run.x.connections.count == 2 }
            #expect(run.x.connections[1].query.contains("backfill_minutes=1"))
            let outcome = try await run.expectConserved()
            #expect(outcome.verdict.repeated >= 50)
            let repeated = Int64(outcome.verdict.repeated)
            try await run.expect("they are absorbed") { try run.pipeline.outcome().duplicates == repeated }
            try await run.expect("the repair") { try status(run) == "repaired_exactly|backfill" }
            try await expectNothingWithheld(run)
        }
    }

    /// The connection breaks while the disk holds the reader up: what waited at X's end is gone, and had been sent before the
    /// gap by our clock. `X_DISK_STALL_SECONDS=15` is longer than posts may be on their way anyhow.
    @Test func f06WhatWaitedForASlowDiskIsWithinTheRepair() async throws {
        let seconds = ProcessEnvironment.current["X_DISK_STALL_SECONDS"].flatMap { Int($0) } ?? 3
        // The reader waits for the disk, too, when eight groups do.
        let settings = ["X_REPAIR_MAX_POSTS": "100000", "X_REPAIR_DELAY": "1s", "JOURNAL_SYNC_BYTES": "4KiB"]
        try await PipelineRun.with(settings, losesWhileAway: true, startsProducer: false) { run in
            try run.startProducer(fdatasync: "delay_enter=\(seconds * 1_000_000):when=60")
            try await run.expect("posts") { run.x.issuedCount > 20 }
            let growth = Mutex((bytes: 0, since: ContinuousClock.now))
            try await run.expect("the disk stands still", within: .seconds(90)) {
                let bytes = try run.journalBytes()
                return growth.withLock { growth in
                    if bytes != growth.bytes { growth = (bytes, .now) }
                    return growth.since.duration(to: .now) > .milliseconds(700)
                }
            }
            let held = run.x.issuedCount
            try await run.expect("posts that nobody reads", within: .seconds(90)) {
                run.x.issuedCount > held + Int64(seconds * 80)
            }
            run.x.inject(Fault(.reset))
            try await run.expect("the stream") { run.x.connections.count == 2 }
            try await run.expect("the repair", within: .seconds(90)) {
                try status(run) == "repaired_approximately|search"
            }
            try await run.expectConserved()
            try await expectNothingWithheld(run)
        }
    }

    @Test func f18AnHourOfAbsenceIsRecoveredExactly() async throws {
        try await withAbsence(["X_PLAN": "enterprise"]) { run in
            try await run.expect("the repair") { try status(run) == "repaired_exactly|recovery" }
            let recovery = try #require(run.x.connections.first { $0.isRecovery })
            #expect(recovery.written.count > 600)
            #expect(!run.x.connections.contains { $0.query.contains("backfill_minutes") })
            try await run.expectConserved()
            try await expectNothingWithheld(run)
        }
    }

    @Test func f18AnHourOfAbsenceIsSearchedWithinTheBudget() async throws {
        try await withAbsence(["X_REPAIR_MAX_POSTS": "2000"]) { run in
            try await run.expect("the repair") { try status(run) == "repaired_approximately|search" }
            #expect(run.x.searches.count >= 6)
            try await run.expectConserved()
            try await expectNothingWithheld(run)
        }
    }

    @Test func f18WithoutABudgetTheGapStaysOpenAndIsDeclared() async throws {
        try await withAbsence([:]) { run in
            let outcome = try await run.expectConserved()
            #expect(outcome.verdict.isClean)
            #expect(run.x.searches.isEmpty && !run.x.connections.contains { $0.isRecovery })
            try await run.expect("the gap") { try status(run) == "open|" }
            let hours = "SELECT ended_at - started_at > interval '59 minutes' FROM stream_gaps"
            try await run.expect(hours, ["t"])
        }
    }

    @Test func f18OfThirtyHoursWhatXStillGivesIsRecovered() async throws {
        try await withAbsence(["X_PLAN": "enterprise"], hours: 30, rate: 0.01) { run in
            try await run.expect("the repair") { try status(run) == "open|recovery" }
            let reached = Timestamp.now().advanced(by: .seconds(-86_400 + 400))
            try await run.expectConserved()
            // The last lines before the feed was stopped may still be on their way.
            try await run.expect("all from then on") { try withheld(run).allSatisfy { $0 < reached } }
            #expect((180...250).contains(try await blocking { try withheld(run) }.count))
            let detail = try await run.query("SELECT repair_detail FROM stream_gaps WHERE repaired_by = 'recovery'")
            #expect(detail.hasPrefix("filled from ") && detail.hasSuffix("reaches no further back"))
        }
    }

    @Test func f31PagesThatNeverEndAreLeftAfterThree() async throws {
        try await withAbsence(["X_REPAIR_MAX_POSTS": "100000"], searchLoops: true) { run in
            try await run.expect("the repair") { try status(run).hasPrefix("repaired") }
            // One page that brought something, and three without a new post.
            #expect(run.x.searches.count == 4)
            try await run.expectConserved()
        }
    }

    /// Runs `body` after hours of which the journal knows the beginning and X every post.
    ///
    /// The simulator begins in the past and advances to the present, so that what it withholds has ids of those
    /// hours; the producer finds a journal that was left then, as after a crash.
    private func withAbsence(
        _ settings: [String: String], hours: Int = 1, rate: Double = 0.2, searchLoops: Bool = false,
        _ body: (PipelineRun) async throws -> Void
    ) async throws {
        let short = ["X_REPAIR_DELAY": "1s"]
        try await PipelineRun.with(
            short.merging(settings) { $1 }, losesWhileAway: true, x: { $0.clockOffset = .seconds(-3600 * hours) },
            startsProducer: false
        ) { run in
            run.x.issue(1)
            run.x.setRate(rate)
            try leaveJournal(run)
            run.x.advance(by: .seconds(3600 * hours))
            #expect(abs(Double(run.x.issuedCount) - Double(3600 * hours) * rate) < 20)
            run.x.searchLoops = searchLoops
            try run.pipeline.start(.producer)
            try await run.expect("the stream") { run.x.connections.contains { !$0.isRecovery } }
            run.x.setRate(100)
            try await body(run)
        }
    }

    /// A journal whose connection had received the first post when the process died.
    private func leaveJournal(_ run: PipelineRun) throws {
        let journal = try Journal.open(folder: run.pipeline.journalFolder, stream: "default")
        let then = run.x.clock.now
        let connection = then.milliseconds
        var begun = PipelineEvent(.connected, at: then, connection: connection)
        begun.status = 200
        try journal.append(begun, connection: connection)
        try unsafe run.x.bytes(ofLine: 0).withBytes { (line) throws(FileError) in
            try unsafe journal.append(line, receivedAt: then, connection: connection)
        }
        try journal.sync()
    }

    private func status(_ run: PipelineRun) throws -> String {
        try run.pipeline.query("SELECT status, repaired_by FROM stream_gaps WHERE ended_at IS NOT NULL")
    }

    /// When posts were issued that are not stored, whether X has sent them or not.
    private func withheld(_ run: PipelineRun) throws -> [Timestamp] {
        let ids = try run.pipeline.query("SELECT id FROM tweets WHERE matched").split(separator: "\n")
            .compactMap { Int64($0) }
        let verdict = run.x.judge(stored: ids)
        return (verdict.undeclared + verdict.missing).compactMap { Snowflake.timestamp(of: $0) }
    }

    /// Waits until everything that was issued is stored, as if there had been no gap.
    private func expectNothingWithheld(_ run: PipelineRun) async throws {
        try await run.expect("everything") { try withheld(run).isEmpty }
    }
}
