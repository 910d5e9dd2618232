import Core
import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// Recorded payloads, which lie beside the project where its makers have them; elsewhere the generated tweets of the
/// other suites take this way.
private let recordedData = recordings("data")?.path

@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: recordedData != nil, "no recordings beside the project"))
struct RecordedLinesTests {
    /// Settings of a sample stream.
    private static let sample = ["X_STREAM": "sample", "X_PLAN": "enterprise"]

    private func lines(_ folder: String) throws -> [[UInt8]] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            .filter { $0.hasSuffix(".jsonl") || $0.hasSuffix(".txt") }
            .flatMap { try readWholeFile(folder + "/" + $0).split(separator: UInt8(ascii: "\n")).map { Array($0) } }
    }

    /// Sends lines through the whole pipeline and hands it over when the ledger has settled all of them.
    ///
    /// - Parameters:
    ///   - lines: what X sends.
    ///   - settings: of the services, by environment name.
    ///   - body: the test.
    /// - Throws: what the body throws, or what could not be started.
    private func send(
        _ lines: [[UInt8]], settings: [String: String] = [:], _ body: (PipelineRun) throws -> Void
    ) async throws {
        var configuration = XSimulator.Configuration()
        configuration.feed = .lines(lines)
        configuration.rate = nil
        try await PipelineRun.alone(configuration, settings: settings) { run in
            if settings.isEmpty { run.x.addRules([("pipeline", "recorded")]) }
            try run.startLoader()
            try run.pipeline.start(.producer)
            // Beside the lines there are two events: started and connected.
            let settled = "SELECT count(*) FROM stream_ledger WHERE settled @> int8range(1, \(lines.count + 3))"
            let isSettled = try await holds(within: .seconds(120)) { try run.value(settled) == "1" }
            #expect(isSettled, "\(run.pipeline.log(of: .loader).suffix(3000))")
            try body(run)
        }
    }

    @Test func everyRecordedTweetIsStoredOnceAndNoneRejected() async throws {
        let folder = try #require(recordedData)
        let lines = try lines(folder)
        let ids = Set(lines.compactMap { TweetLine($0)?.data.id })
        try await send(lines) { (run: PipelineRun) throws in
            #expect(try run.value("SELECT count(*) FROM rejects") == "0")
            #expect(try run.storedIDs() == Set(ids.compactMap { Int64($0) }))
            #expect(try run.value("SELECT count(*) FROM tweets WHERE matched") == "\(ids.count)")
        }
    }

    /// The same lines from a sample stream: without rules at X, and stored as matched by the stream.
    @Test func everyRecordedTweetIsStoredFromASample() async throws {
        let folder = try #require(recordedData)
        let lines = try lines(folder)
        let ids = Set(lines.compactMap { TweetLine($0)?.data.id })
        try await send(lines, settings: Self.sample) { (run: PipelineRun) throws in
            #expect(run.x.connections.isEmpty && !run.x.connections(of: .sample).isEmpty)
            #expect(try run.value("SELECT count(*) FROM rejects") == "0")
            #expect(try run.storedIDs() == Set(ids.compactMap { Int64($0) }))
            let unmatched =
                "SELECT count(*) FROM tweets t WHERE matched AND NOT EXISTS (SELECT FROM tweet_rules WHERE tweet_id = t.id)"
            #expect(try run.value(unmatched) == "0")
            let byStream =
                "SELECT count(DISTINCT tweet_id) > 0 FROM matched_rules WHERE rule_id = 0 AND value = 'GET /2/tweets/sample/stream'"
            #expect(try run.value(byStream) == "t")
        }
    }

    @Test(arguments: [[:], sample]) func whatIsNoTweetBecomesARejectOrAnEventAndStopsNothing(
        settings: [String: String]
    ) async throws {
        let folder = try #require(recordedData) + "/raw"
        let odd = try lines(folder)
        let tweet = Array(#"{"data":{"id":"1800000000000000001","text":"after all that"}}"#.utf8)
        try await send(odd + [tweet], settings: settings) { (run: PipelineRun) throws in
            #expect(try run.value("SELECT count(*) FROM tweets WHERE id = 1800000000000000001") == "1")
            let accounted = try run.value(
                """
                SELECT (SELECT count(*) FROM rejects) + (SELECT count(*) FROM stream_events)
                    + (SELECT count(*) FROM tweets WHERE matched)
                """)
            // The same lines beside the two events; a line that stands in the files twice is one tweet.
            #expect((Int(accounted) ?? 0) >= Set(odd).count + 3)
            #expect(try run.value("SELECT count(*) FROM rejects WHERE reason IS NULL OR value IS NULL") == "0")
        }
    }
}

/// As much of a line as says which tweet it is.
private struct TweetLine: Decodable {
    struct Tweet: Decodable {
        let id: String
    }

    let data: Tweet

    init?(_ line: [UInt8]) {
        guard let decoded = try? JSONDecoder().decode(Self.self, from: Data(line)) else { return nil }
        self = decoded
    }
}
