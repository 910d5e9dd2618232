import Core
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

@testable import TweetFormat
@testable import TweetProducer
@testable import XAPI

/// F1–F6, F14, F16, F30: what happens on an open connection.
@Suite(.serialized, .timeLimit(.minutes(5))) struct StreamFaultTests {
    @Test func f01CleanEndIsFollowedByTheNextConnectionAtOnce() async throws {
        try await PipelineRun.with(losesWhileAway: true) { run in
            run.x.inject(Fault(.close, after: 50))
            try await run.expect("a second connection") { run.x.connections.count == 2 }
            let connections = run.x.connections
            // The end that X makes itself is in the record before the client can see it.
            let pause = Duration.between(try #require(connections[0].endedAt), connections[1].startedAt)
            #expect(pause < .seconds(10) && run.waits("closed") == [.zero])
            try await run.expectConserved()
            try await run.expectGaps(["closed"])
        }
    }

    @Test func f02ResetInTheMiddleOfALineLeavesNoPartOfIt() async throws {
        try await PipelineRun.with(losesWhileAway: true) { run in
            run.x.inject(Fault(.reset, after: 50, bytes: 100))
            try await run.expect("a second connection") { run.x.connections.count == 2 }
            let cut = try #require(run.x.connections.first?.cut.first)
            let id = try #require(run.x.id(ofLine: cut))
            let outcome = try await run.expectConserved()
            #expect(outcome.rejected == 0)
            #expect(try await run.query("SELECT count(*) FROM tweets WHERE id = \(id)") == "0")
            let detail =
                "SELECT detail LIKE '%; an unfinished line of 100 bytes was dropped' FROM stream_events WHERE cause = 'reset'"
            try await run.expect(detail, ["t"])
            try await run.expectGaps(["reset"])
        }
    }

    @Test func f03SilentStallIsNoticedInTime() async throws {
        #expect(StreamSettings(x: XSettings(url: "http://x", token: .value(Secret("t")))).stallTimeout == .seconds(25))
        try await PipelineRun.with(["X_STALL_TIMEOUT": "2s"], losesWhileAway: true) { run in
            run.x.inject(Fault(.stall, after: 50))
            try await run.expect("the stall is noticed") { run.x.connections.count == 2 }
            // The client's end is in the record only when X has noticed it.
            try await run.expect("its end") { run.x.connections[0].endedAt != nil }
            let first = run.x.connections[0]
            let silence = Duration.between(try #require(first.written.last?.at), try #require(first.endedAt))
            #expect(silence > .seconds(1) && silence < .seconds(10))
            try await run.expectConserved()
            try await run.expectGaps(["stall"])
        }
    }

    @Test func f04KeepAlivesWithoutPostsRaiseAnAlarmOnAnOpenConnection() async throws {
        try await PipelineRun.with(["X_QUIET_AFTER": "500ms"], losesWhileAway: true) { run in
            // It learns for twelve times the shortest judgement what is usual.
            try await run.expect("posts") { run.x.issuedCount > 800 }
            run.x.inject(Fault(.quiet, seconds: 4))
            try await run.expect("the alarm") {
                !run.lines("far fewer posts than usual", "\"level\":\"error\"").isEmpty
            }
            try await run.expect("its end") { !run.lines("the stream delivers posts at the usual rate again").isEmpty }
            #expect(run.x.connections.count == 1)
            try await run.expectConserved()
            // A busy machine may make it quiet once more.
            try await run.expect("SELECT count(*) > 0 FROM stream_events WHERE type = 'quiet'", ["t"])
            try await run.expectGaps([])
        }
    }

    @Test func f06ReaderThatWasHaltedBlamesItselfAndNotX() async throws {
        try await PipelineRun.with(["X_STALL_TIMEOUT": "2s"], losesWhileAway: true) { run in
            try await run.expect("posts") { run.x.issuedCount > 50 }
            let producer = try run.producer
            producer.send(SIGSTOP)
            // Twice the stall time-out: a reader that took this time for silence would leave X.
            try await endure(.seconds(4))
            producer.send(SIGCONT)
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
            try await run.expectGaps([])
        }
    }

    /// Every eighth fsync takes two time-outs, while X sends on: the reader goes on, and what it reads waits for the disk.
    @Test func f06ASlowDiskIsBlamedOnTheDiskAndHoldsNothingUp() async throws {
        try await PipelineRun.with(["X_STALL_TIMEOUT": "1s"], losesWhileAway: true, startsProducer: false) { run in
            try run.startProducer(fdatasync: "delay_enter=2000000:when=8+8")
            try await run.expect("posts", within: .seconds(90)) {
                run.x.connections.first.map { $0.written.count > 600 } == true
            }
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
            // The times of posts have whole seconds.
            let late = "SELECT count(*) FROM tweets WHERE matched AND received_at - created_at > interval '2.5 seconds'"
            #expect(try await run.query(late) == "0")
            #expect(!run.lines("the journal's disk is slow", "\"level\":\"warning\"").isEmpty, "or this shows nothing")
            try await run.expectGaps([])
        }
    }

    @Test func f06OnlyTimeSpentWaitingIsSilence() {
        var watch = StreamWatch(connectTimeout: .seconds(10), stallTimeout: .seconds(25))
        #expect(watch.timeLeft(in: .answer, bytes: 0, waited: .seconds(9)) == .seconds(1))
        #expect(watch.timeLeft(in: .stream, bytes: 0, waited: .seconds(1)) == .seconds(25))
        #expect(watch.timeLeft(in: .stream, bytes: 0, waited: .seconds(20)) == .seconds(5))
        #expect(watch.timeLeft(in: .stream, bytes: 2, waited: .seconds(5)) == .seconds(25))
        // The disk took minutes in between: that is not told to the watch, so nothing has passed.
        #expect(watch.timeLeft(in: .stream, bytes: 2, waited: .zero) == .seconds(25))
        #expect(watch.timeLeft(in: .stream, bytes: 2, waited: .seconds(25)) == .zero)
    }

    @Test func f14EveryControlMessageIsKeptAndTheStreamGoesOn() async throws {
        let kinds = ControlMessage.disconnectTypes + ControlMessage.connectionIssues + ["NeverHeardOf"]
        try await PipelineRun.with(["X_BACKOFF_SCALE": "0.001"], losesWhileAway: true) { run in
            for (index, kind) in kinds.enumerated() {
                // The server does not close: a client that waited for that would wait for ever.
                run.x.inject(Fault(.control, after: 5, seconds: 60, text: kind, bare: index % 3 == 0))
                try await run.expect("the connection after \(kind)") { run.x.connections.count == index + 2 }
                // The record learns of it a little later; and when the client was back before that, it was refused, and has
                // closed the old one by the Connections API as well.
                try await run.expect("the end of the connection with \(kind)") {
                    [.client, .killed].contains(run.x.connections[index].ending)
                }
            }
            try await run.expectConserved()
            try await run.expectGaps(kinds.map { _ in "control" })
            let kept = try await run.query("SELECT payload FROM stream_events WHERE type = 'x_message' ORDER BY id")
            for kind in kinds { #expect(kept.contains("\"\(kind)\"")) }
        }
    }

    @Test func f16DuplicatesAndDisorderGiveOneRowEach() async throws {
        try await PipelineRun.with(losesWhileAway: true) { run in
            for start in [20, 80, 140] {
                run.x.inject(Fault(.reorder, after: start, count: 30))
                run.x.inject(Fault(.duplicate, after: start + 35, count: 20))
            }
            try await run.expect("the faults") { run.x.connections.first.map { $0.written.count > 260 } == true }
            let outcome = try await run.expectConserved()
            #expect(outcome.verdict.repeated == 60)
            try await run.expect("they are absorbed") { try run.pipeline.outcome().duplicates == 60 }
        }
    }

    /// A post that comes again and again, each time for other rules: in the same batch, in others, and out of order.
    @Test func f16RuleMatchesOfAllDeliveriesAreUnited() async throws {
        let first = try #require(Snowflake.firstID(at: .now()))
        let ids = (0..<40).map { first + $0 }
        func line(_ id: Int64, _ rules: [(id: Int, tag: String?)]) -> String {
            let matches = rules.map { rule in
                "{\"id\":\"\(rule.id)\"" + (rule.tag.map { ",\"tag\":\"\($0)\"" } ?? "") + "}"
            }
            return #"{"data":{"id":"\#(id)","text":"a"},"matching_rules":[\#(matches.joined(separator: ","))]}"#
        }
        let lines =
            ids.map { line($0, [(101, "a")]) } + ids.reversed().map { line($0, [(102, nil)]) }
            + ids.map { line($0, $0 % 2 == 0 ? [(101, "a"), (103, "c")] : []) }
        try await PipelineRun.with(x: {
            $0.feed = .lines(lines.map { Array($0.utf8) })
            $0.rate = nil
            $0.losesWhileAway = false
        }) { run in
            let matches = "SELECT count(*) FROM tweet_rules"
            try await run.expect(matches, ["100"])
            for id in ids.shuffled() { run.x.inject(Fault(.line, text: line(id, [(104, "d"), (102, nil)]))) }
            try await run.expect(matches, ["140"])
            let expected = ids.map { "\($0)|101:a 102: \($0 % 2 == 0 ? "103:c " : "")104:d|\($0 % 2 == 0 ? 4 : 3)" }
            let stored = """
                SELECT t.id, (SELECT string_agg(rule_id || ':' || coalesce(tag, ''), ' ' ORDER BY rule_id)
                    FROM tweet_rules WHERE tweet_id = t.id), cardinality(r.rules)
                FROM tweets t JOIN readable_tweets r USING (id) WHERE t.matched ORDER BY t.id
                """
            try await run.expect(stored, expected)
            let outcome = try await run.judged()
            #expect(outcome.stored == 40 && outcome.rejected == 0 && outcome.duplicates == 120)
        }
    }

    @Test func f30FlappingNeverLeavesTheBudgetNotEvenByARestart() async throws {
        try await PipelineRun.with(["X_CONNECT_BUDGET": "20", "X_BACKOFF_SCALE": "0.0001"], losesWhileAway: true) {
            run in
            // Lines count for every fault that waits, so this is one line a connection.
            for line in 1...30 { run.x.inject(Fault(.close, after: line)) }
            try await run.expect("the budget") { !run.lines("the connect budget is used up; waiting").isEmpty }
            run.pipeline.kill(.producer)
            try run.pipeline.start(.producer)
            try await run.expect("the budget after a restart") {
                run.lines("the connect budget is used up; waiting").count > 1
            }
            #expect(run.x.attempts.count == 20)
            run.x.stopFeed()
            let outcome = try await run.judged()
            #expect(outcome.verdict.received == 20)
        }
    }
}
