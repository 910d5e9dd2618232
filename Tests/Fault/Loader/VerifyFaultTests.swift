import Foundation
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// `verify` as a command: the verdict, and the status that scripts rely on.
@Suite(.timeLimit(.minutes(4))) struct VerifyFaultTests {
    private func verdict(_ bench: LoaderBench, _ arguments: [String] = [], status: Int32) throws -> String {
        struct Report: Decodable {
            var verdict: String
        }
        let text = try bench.run(["verify", "--json"] + arguments, status: status)
        return try JSONDecoder().decode(Report.self, from: Data(text.utf8)).verdict
    }

    @Test func f72WhatCannotBeCheckedIsUnknownAndEndsWith69() throws {
        let bench = try LoaderBench()
        try bench.publish(1...100)
        #expect(try verdict(bench, status: 0) == "nothing_missing")
        #expect(try verdict(bench, ["--wait", "200ms"], status: 75) == "nothing_missing")
        try bench.start()
        try bench.expectAll(100)
        #expect(try verdict(bench, ["--wait", "60s"], status: 0) == "complete")
        #expect(bench.end())
        #expect(try verdict(bench, ["--kafka", "127.0.0.1:1"], status: 69) == "unknown")
        #expect(try verdict(bench, ["--rows", "--kafka", "127.0.0.1:1"], status: 69) == "unknown")
        #expect(try verdict(bench, ["--topic", "nowhere"], status: 69) == "unknown")
        #expect(try verdict(bench, ["--database", "postgresql://tweets@127.0.0.1:1/tweets"], status: 69) == "unknown")
        #expect(try verdict(bench, ["--journal", "/nowhere"], status: 69) == "unknown")
        let text = try bench.run(["verify", "--kafka", "127.0.0.1:1"], status: 69)
        #expect(!text.contains("complete"), "\(text)")
        #expect(text.contains("not checked: Kafka at 127.0.0.1:1 cannot be reached"))
        try bench.run(["verify", "--wait", "soon"], status: 64)
    }

    @Test func aRowThatWasDeletedIsMissingOnlyWithRows() throws {
        let bench = try LoaderBench()
        try bench.publish(1...100)
        try bench.start()
        try bench.expectAll(100)
        #expect(bench.end())
        try bench.query("DELETE FROM tweets WHERE id = \(LoaderBench.firstID + 7)")
        #expect(try verdict(bench, status: 0) == "complete")
        #expect(try verdict(bench, ["--rows"], status: 65) == "missing")
    }

    @Test func statusShowsALoaderThatRunsAndOneThatWasKilled() throws {
        let bench = try LoaderBench()
        try bench.start()
        #expect(bench.wait { try bench.run(["status"]).hasPrefix("loader: running, ") }, "\(bench.logged())")
        bench.loader("loader")?.kill()
        // Killed, it signs nothing off.
        #expect(bench.wait { try bench.run(["status"]).hasPrefix("loader: none is running (last seen ") })
        try bench.start(isNewGroup: true)
        #expect(bench.wait { try bench.run(["status"]).hasPrefix("loader: running, ") })
        #expect(bench.end())
        #expect(try bench.run(["status"]).hasPrefix("loader: none is running (last seen "))
    }

    @Test func explainTakesALink() throws {
        let bench = try LoaderBench()
        try bench.publish(1...1)
        try bench.start()
        try bench.expectAll(1)
        let link = "https://x.com/someone/status/\(LoaderBench.firstID + 1)?s=20"
        #expect(try bench.run(["explain", link]).contains("tweets-"))
        try bench.run(["explain", "https://example.com/1"], status: 64)
    }
}
