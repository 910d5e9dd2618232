import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import TweetFormat

/// F5, F15, F19–F23, F27: what comes over a good connection.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ContentFaultTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// Sends lines, a good tweet behind them, and waits until that is stored.
    private func send(_ lines: [[UInt8]], _ body: (PipelineRun) async throws -> Void) async throws {
        let last = Array(#"{"data":{"id":"1899999999999999999","text":"after all that"}}"#.utf8)
        try await PipelineRun.with(x: {
            $0.feed = .lines(lines + [last])
            $0.rate = nil
            $0.losesWhileAway = false
        }) { run in
            try await run.expect("the tweet behind", within: .seconds(90)) {
                try run.pipeline.query("SELECT 1 FROM tweets WHERE id = 1899999999999999999") == "1"
            }
            // The row may be there before the simulator has noted that the line is sent.
            try await run.expect("a record of it") { run.x.isDrained }
            #expect(run.x.connections.count == 1)
            try await body(run)
        }
    }

    @Test func f05PiecesOfAnySizeGiveTheSameTweets() async throws {
        try await PipelineRun.with(losesWhileAway: true, x: { $0.keepAlive = .milliseconds(20) }) { run in
            for (after, bytes) in [(10, 1), (20, 2), (30, 7), (40, 1000)] {
                run.x.inject(Fault(.split, after: after, count: bytes == 1 ? 2 : 10, bytes: bytes))
            }
            try await run.expect("all pieces") { run.x.connections.first.map { $0.written.count > 60 } == true }
            let outcome = try await run.expectConserved()
            #expect(outcome.rejected == 0)
            #expect(run.x.connections.count == 1)
        }
    }

    @Test func f15ErrorsBesideATweetAreNoEnd() async throws {
        let problem =
            #"{"resource_id":"7","parameter":"referenced_tweets.id","resource_type":"tweet","value":"7","#
            + #""title":"Not Found Error","detail":"Could not find tweet with referenced_tweets.id: [7].","#
            + #""type":"https://api.twitter.com/2/problems/resource-not-found"}"#
        // Of a kind that nobody has described, and one that ends a stream when it stands alone.
        let strange = #"{"title":"Strange","type":"https://api.x.com/2/problems/never-heard-of"}"#
        let disconnect = String(decoding: ControlMessage.line("OperationalDisconnect", isBare: true), as: UTF8.self)
        let lines = (1...20).map { index in
            let problems = [problem] + (index % 2 == 0 ? [strange] : []) + (index % 5 == 0 ? [disconnect] : [])
            return Array(
                #"{"errors":[\#(problems.reversed().joined(separator: ","))],"data":{"id":"18\#(10000 + index)","text":"a"}}"#
                    .utf8)
        }
        try await send(lines) { run in
            let outcome = try await run.judged()
            #expect(outcome.stored == 21 && outcome.rejected == 0)
            #expect(try await run.query("SELECT count(*) FROM tweets WHERE payload -> 'errors' IS NOT NULL") == "20")
            let errors = "SELECT title, count(*) FROM tweet_errors GROUP BY 1 ORDER BY 2 DESC"
            try await run.expect(errors, ["Not Found Error|20", "Strange|10", "operational-disconnect|4"])
            try await run.expectGaps([])
        }
    }

    @Test func f19BothVocabulariesAndUnknownFieldsAreStored() async throws {
        let generator = TweetGenerator(seed: 19)
        let renamed = [
            ("\"retweet_count\"", "\"repost_count\""), ("edit_history_tweet_ids", "edit_history_post_ids"),
            ("referenced_tweets", "referenced_posts"), ("\"note_tweet\"", "\"note_post\""),
            ("\"tweets\":", "\"posts\":"), ("\"pinned_tweet_id\"", "\"pinned_post_id\""),
            ("\"tweet_count\"", "\"post_count\""),
        ]
        let lines = (Int64(0)..<60).map { index in
            var text = String(decoding: generator.line(index), as: UTF8.self)
            if index % 3 > 0 { for (old, new) in renamed { text = text.replacing(old, with: new) } }
            if index % 3 == 2 {
                text = text.replacing("{\"data\":{", with: "{\"new_member\":[{}],\"data\":{\"new_field\":{\"a\":1},")
            }
            return Array(text.utf8)
        }
        let bare = Array(#"{"data":{"id":"1800000000000020000","text":""}}"#.utf8)
        try await send(lines + [bare]) { run in
            let outcome = try await run.judged()
            #expect(outcome.stored == 62 && outcome.rejected == 0)
            // The new names are none that are unknown; each of the others is counted where it stands.
            let unknown = "SELECT path, count, seen_in IN (SELECT id FROM tweets) FROM unknown_keys ORDER BY path"
            try await run.expect(unknown, ["data.new_field|20|t", "new_member|20|t"])
        }
    }

    /// The limit for a line is 1 MiB here; the whole process may need 16 MiB more than before.
    @Test func f20LinesWithoutAnEndAreCutAndMemoryStaysFlat() async throws {
        try await PipelineRun.with(["X_LINE_LIMIT": "1MiB"], losesWhileAway: true) { run in
            // What any producer needs that publishes is not counted.
            try await run.expect("tweets") { try run.pipeline.query("SELECT count(*) > 50 FROM tweets") == "t" }
            let before = try run.producer.memory("VmHWM")
            run.x.inject(Fault(.endless, bytes: 10 << 20))
            run.x.inject(Fault(.endless, bytes: 100 << 20))
            try await run.expect("both lines", within: .seconds(90)) {
                try run.pipeline.query("SELECT count(*) FROM rejects WHERE reason = 'line_too_long'") == "2"
            }
            #expect(try isSanitized || run.producer.memory("VmHWM") - before < 16 << 20)
            #expect(run.x.connections.count == 1)
            try await run.expectConserved()
            let details = try await run.query("SELECT detail FROM rejects ORDER BY id")
            for megabytes in [10, 100] {
                var digest = RunningDigest()
                let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
                for _ in 0..<megabytes { unsafe piece.withUnsafeBytes { unsafe digest.add($0) } }
                #expect(details.contains("sha256 \(digest.result.sha256), \(megabytes << 20) bytes"), "\(details)")
            }
            #expect(try await run.query("SELECT min(length(value)) FROM rejects") == "1024")
        }
    }

    @Test func f21HostileTextIsStoredOrRejectedAndStopsNothing() async throws {
        try await expectSettled(HostileLine.texts)
    }

    @Test func f22HostileShapesAreStoredOrRejectedAndStopNothing() async throws {
        try await expectSettled(HostileLine.shapes)
    }

    /// Every line became a row or a reject with its bytes, or for what has no tweet in it an event.
    private func expectSettled(_ hostile: [HostileLine]) async throws {
        try await send(hostile.map(\.bytes)) { run in
            try await run.expect(
                """
                SELECT (SELECT count(*) FROM tweets WHERE matched) + (SELECT count(*) FROM rejects)
                    + (SELECT count(*) FROM stream_events WHERE type = 'x_message')
                """, ["\(hostile.count + 1)"])
            let raw = try await run.query("SELECT encode(value, 'hex') FROM rejects")
            let rejected = Set(raw.split(separator: "\n"))
            let ids = Set(try await run.query("SELECT id FROM tweets").split(separator: "\n"))
            for line in hostile {
                let hex = line.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                let isStored = ids.contains { String(decoding: line.bytes, as: UTF8.self).contains($0) }
                #expect(isStored || rejected.contains(Substring(hex)), "\(line.name)")
            }
            #expect(try await run.query("SELECT count(*) FROM rejects WHERE reason = '' OR value IS NULL") == "0")
        }
    }

    @Test func f23GzipThatNobodyAskedForIsReadAndACutOneIsAReasonToReconnect() async throws {
        try await PipelineRun.with(losesWhileAway: true, startsProducer: false) { run in
            run.x.inject(Fault(.gzip, count: 2))
            run.x.inject(Fault(.close, after: 100))
            run.x.inject(Fault(.truncate, after: 200))
            try run.pipeline.start(.producer)
            try await run.expect("the third connection") { run.x.connections.count == 3 }
            #expect(run.x.connections.map(\.ending).prefix(2) == [.closed, .closed])
            try await run.expectConserved()
            try await run.expect("SELECT count(*) FROM stream_gaps", ["2"])
        }
    }

    private static func burst(_ count: Int) -> [[UInt8]] {
        let start = Snowflake.firstID(at: .now()) ?? 1
        let filler = String(repeating: "all work and no play makes a dull stream ", count: 20)
        return (0..<count).map { index in
            Array(#"{"data":{"id":"\#(start + Int64(index))","text":"\#(filler)\#(index)"}}"#.utf8)
        }
    }

    /// Halts Kafka until X has sent 2,000 posts, and most of them wait in the journal.
    private func halt(_ kafka: KafkaSandboxProcess, _ run: PipelineRun) async throws {
        run.x.setRate(2000)
        kafka.setHalted(true)
        let halted = run.x.issuedCount
        try await run.expect("posts while Kafka is halted") { run.x.issuedCount >= halted + 2000 }
        // What has just been issued may still be on its way, and Kafka had not got all from before.
        try await run.expect("a journal that grows") { try lag(run).unacknowledged >= 1500 }
        #expect(try await blocking { try lag(run).unacknowledged } <= run.x.issuedCount + 10)
        kafka.setHalted(false)
    }

    /// Kafka is halted for the first second; `X_BURST_SECONDS=60` makes the burst the minute of the table.
    @Test func f27ABurstLosesNothing() async throws {
        let seconds = Self.environment["X_BURST_SECONDS"].flatMap { Int($0) } ?? 3
        let lines = Self.burst(2000 * seconds)
        let kafka = try KafkaSandboxProcess()
        let change = { (x: inout XSimulator.Configuration) in
            x.feed = .lines(lines)
            x.rate = 20
            x.losesWhileAway = false
        }
        try await PipelineRun.with(losesWhileAway: true, servers: kafka.bootstrapServers, x: change) { run in
            // The mock never answers who is joining the group while it is halted for longer than a session.
            try await run.expect("a loader that loads") {
                try run.pipeline.query("SELECT 1 FROM tweets LIMIT 1") == "1"
            }
            try await halt(kafka, run)
            try await run.expect("all posts", within: .seconds(90 + seconds)) {
                try run.pipeline.query("SELECT count(*) FROM tweets") == "\(lines.count)"
            }
            let outcome = try await run.judged()
            #expect(outcome.stored == lines.count && outcome.received == lines.count)
            // The loader may have a line before the producer has read its delivery report.
            try await run.expect("all acknowledged") { try lag(run).unacknowledged == 0 }
            // Events come over another topic, so that the loader may have them later than all tweets.
            let events = try await blocking { try lag(run).lastSeq } - Int64(lines.count)
            try await run.expect("SELECT count(*) FROM stream_events", ["\(events)"])
            #expect(run.x.connections.count == 1)
            try await run.expectGaps([])
        }
    }

    /// What `journal status` says of the lines that Kafka has not got.
    private struct Journals: Decodable {
        let journals: [Lag]
    }

    private struct Lag: Decodable {
        let lastSeq: Int64
        let unacknowledged: Int64
    }

    private func lag(_ run: PipelineRun) throws -> Lag {
        let text = try run.pipeline.run(.producer, ["journal", "status", "--json"])
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try #require(try decoder.decode(Journals.self, from: Data(text.utf8)).journals.first)
    }
}
