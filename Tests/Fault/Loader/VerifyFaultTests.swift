import Foundation
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// `verify` as a command: the verdict, and the status that scripts rely on.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct VerifyFaultTests {
    private func verdict(_ loaders: LoaderRun, _ arguments: [String] = [], status: Int32) throws -> String {
        struct Report: Decodable {
            var verdict: String
        }
        let text = try loaders.run(["verify", "--json"] + arguments, status: status)
        return try JSONDecoder().decode(Report.self, from: Data(text.utf8)).verdict
    }

    @Test func f72WhatCannotBeCheckedIsUnknownAndEndsWith69() throws {
        let loaders = try LoaderRun()
        try loaders.publish(1...100)
        #expect(try verdict(loaders, status: 0) == "nothing_missing")
        #expect(try verdict(loaders, ["--wait", "200ms"], status: 75) == "nothing_missing")
        try loaders.start()
        try loaders.expectAll(100)
        #expect(try verdict(loaders, ["--wait", "60s"], status: 0) == "complete")
        #expect(loaders.end())
        #expect(try verdict(loaders, ["--kafka", "127.0.0.1:1"], status: 69) == "unknown")
        #expect(try verdict(loaders, ["--rows", "--kafka", "127.0.0.1:1"], status: 69) == "unknown")
        #expect(try verdict(loaders, ["--topic", "nowhere"], status: 69) == "unknown")
        #expect(
            try verdict(loaders, ["--database", "postgresql://tweets@127.0.0.1:1/tweets"], status: 69) == "unknown")
        #expect(try verdict(loaders, ["--journal", "/nowhere"], status: 69) == "unknown")
        let text = try loaders.run(["verify", "--kafka", "127.0.0.1:1"], status: 69)
        #expect(!text.contains("complete"), "\(text)")
        #expect(text.contains("not checked: Kafka at 127.0.0.1:1 cannot be reached"))
        try loaders.run(["verify", "--wait", "soon"], status: 64)
    }

    @Test func aRowThatWasDeletedIsMissingOnlyWithRows() throws {
        let loaders = try LoaderRun()
        try loaders.publish(1...100)
        try loaders.start()
        try loaders.expectAll(100)
        #expect(loaders.end())
        try loaders.query("DELETE FROM tweets WHERE id = \(LoaderRun.firstID + 7)")
        #expect(try verdict(loaders, status: 0) == "complete")
        #expect(try verdict(loaders, ["--rows"], status: 65) == "missing")
    }

    @Test func statusShowsALoaderThatRunsAndOneThatWasKilled() throws {
        let loaders = try LoaderRun()
        try loaders.start()
        #expect(loaders.wait { try loaders.run(["status"]).hasPrefix("loader: running, ") }, "\(loaders.logged())")
        loaders.loader("loader")?.kill()
        // Killed, it signs nothing off.
        #expect(loaders.wait { try loaders.run(["status"]).hasPrefix("loader: none is running (last seen ") })
        try loaders.start(isNewGroup: true)
        #expect(loaders.wait { try loaders.run(["status"]).hasPrefix("loader: running, ") })
        #expect(loaders.end())
        #expect(try loaders.run(["status"]).hasPrefix("loader: none is running (last seen "))
    }

    @Test func explainTakesALink() throws {
        let loaders = try LoaderRun()
        try loaders.publish(1...1)
        try loaders.start()
        try loaders.expectAll(1)
        let link = "https://x.com/someone/status/\(LoaderRun.firstID + 1)?s=20"
        #expect(try loaders.run(["explain", link]).contains("tweets-"))
        try loaders.run(["explain", "https://example.com/1"], status: 64)
    }
}
