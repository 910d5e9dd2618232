import Core
import Foundation
import Journal
import Sandbox
import TestSupport
import Testing
import XAPI

@testable import TweetProducer

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct XPostLimitsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func moment(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

    private func counter(_ posts: [(String, Int)]) throws -> PostCounter {
        let counter = try PostCounter(folder: folder.path)
        for (text, count) in posts {
            let moment = try moment(text)
            for _ in 0..<count { counter.add(at: moment) }
        }
        try counter.save()
        return counter
    }

    @Test func theDayRollsAtMidnightUTC() throws {
        let counter = try counter([("2026-11-20T23:59:59Z", 99)])
        let limits = PostLimits(perDay: 100)
        let closing = try #require(limits.closing(counter, at: try moment("2026-11-20T23:59:59.999Z")))
        #expect(closing.posts == 99 && closing.limit == 100)
        #expect(closing.until == (try moment("2026-11-21T00:00:00Z")))
        #expect(limits.closing(counter, at: try moment("2026-11-21T00:00:00Z")) == nil)
        #expect(PostLimits(perDay: 101).closing(counter, at: try moment("2026-11-20T23:59:59Z")) == nil)
        #expect(PostLimits().closing(counter, at: try moment("2026-11-20T23:59:59Z")) == nil)
    }

    @Test func theMonthIsTheBillingCycle() throws {
        let counter = try counter([
            ("2026-11-08T12:00:00Z", 60), ("2026-11-09T00:00:00Z", 30), ("2026-12-08T23:00:00Z", 69),
        ])
        let limits = PostLimits(perDay: 1000, perMonth: 100, resetDay: 9)
        let closing = try #require(limits.closing(counter, at: try moment("2026-12-08T23:30:00Z")))
        #expect(closing.posts == 99)
        #expect(closing.until == (try moment("2026-12-09T00:00:00Z")))
        #expect(closing.description.contains("MAX_POSTS_PER_MONTH"))
        #expect(limits.closing(counter, at: try moment("2026-12-09T00:00:00Z")) == nil)
        let end = PostLimits(perMonth: 70, resetDay: 31)
        #expect(end.closing(counter, at: try moment("2026-11-30T00:00:00Z")) == nil)
        #expect(end.closing(counter, at: try moment("2026-11-29T23:00:00Z"))?.posts == 159)
    }

    @Test func stopsAHundredthEarlyAtMost250() throws {
        let counter = try counter([("2026-11-20T00:00:00Z", 990)])
        let now = try moment("2026-11-20T01:00:00Z")
        #expect(PostLimits(perDay: 1000).closing(counter, at: now) != nil)
        #expect(PostLimits(perDay: 1001).closing(counter, at: now) == nil)
        #expect(PostLimits(perDay: 1240).closing(counter, at: now) == nil)
    }

    @Test func countsSurviveANewStart() throws {
        _ = try counter([("2026-11-20T00:00:00Z", 5)])
        let again = try counter([("2026-11-20T10:00:00Z", 2), ("2026-11-21T00:00:00Z", 1)])
        let third = try PostCounter(folder: folder.path)
        #expect(third.posts(since: try moment("2026-11-20T00:00:00Z").day) == 8)
        #expect(third.posts(since: try moment("2026-11-21T00:00:00Z").day) == 1)
        try folder.write("garbage", to: "posts.json")
        #expect(try PostCounter(folder: folder.path).posts(since: 0) == 0)
        _ = again
    }

    private func readUntilTheLimit(_ settings: StreamSettings) async throws {
        let (log, stop, journalFolder) = (LogRecorder(), Stop(), folder.path)
        let isLogged = try await blocking {
            let reader = Background {
                let journal = try Journal.open(folder: journalFolder, stream: "s")
                try FilteredStream(settings: settings, stop: stop, logger: log.logger).run(into: journal)
            }
            let isLogged = log.wait(
                for: "the limit of posts is reached; reading from X is paused until the next window")
            stop.raise()
            try reader.join()
            return isLogged
        }
        #expect(isLogged, "\(log.texts)")
    }

    /// Reads a simulated stream until the limit; a new start does not even connect.
    @Test func stopsReadingAndSaysSo() async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 100
        let simulator = XSimulator(configuration)
        try await simulator.start()
        simulator.addRules([("cat", nil)])
        var settings = StreamSettings(x: XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken))))
        settings.posts = PostLimits(perDay: 100)
        for _ in 1...2 { try await readUntilTheLimit(settings) }
        #expect(simulator.connections.count == 1)
        await simulator.stop()
        // What was being written when the reader left may have been read.
        let written = simulator.connections[0].written.count + simulator.connections[0].cut.count
        let read = try PostCounter(folder: folder.path + "/s").posts(since: 0)
        // A reader that stood still reads at once what has come meanwhile.
        #expect((99...400).contains(read) && Int64(written) >= read, "\(read) of \(written)")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/s")
        let lines = try names.filter { $0.hasSuffix(".jsonl") }.map {
            try String(contentsOfFile: folder.path + "/s/" + $0, encoding: .utf8)
        }.joined()
        #expect(lines.contains("\"cause\":\"post_limit\""))
        #expect(lines.contains("\"type\":\"disconnected\""))
    }
}
