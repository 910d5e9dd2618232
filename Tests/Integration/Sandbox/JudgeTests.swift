import Core
import Sandbox
import TestSupport
import Testing

@Suite("Judge", .timeLimit(.minutes(4)))
struct JudgeTests {
    private func ids(_ simulator: XSimulator) -> [Int64] {
        (0..<simulator.issuedCount).compactMap { simulator.id(ofLine: $0) }
    }

    private static let always = DeclaredGap(from: Timestamp(milliseconds: 0), to: nil)

    @Test("all stored once is clean; missing, doubled and strange ids are named")
    func table() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.close, after: 200))
            _ = try await curl(Curl.stream)
            let ids = ids(simulator)
            let clean = simulator.judge(stored: ids)
            #expect(clean.isClean && clean.received == 200 && clean.repeated == 0)
            let verdict = simulator.judge(stored: Array(ids.dropFirst()) + [ids[7], 1])
            #expect(verdict.missing == [ids[0]])
            #expect(verdict.doubled == [ids[7]])
            #expect(verdict.strangers == [1])
            #expect(simulator.judge(stored: Array(ids.dropFirst()), rejected: [ids[0]]).isClean)
        }
    }

    @Test("only the end of a connection that was cut off may be missing, and only with a gap declared")
    func excuses() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.reset, after: 50))
            _ = try await curl(Curl.stream)
            let ids = Array(ids(simulator).prefix(50))
            try #require(ids.count == 50)
            let verdict = simulator.judge(stored: ids.dropLast(3), gaps: [Self.always])
            #expect(verdict.isClean && verdict.excused == ids.suffix(3))
            #expect(simulator.judge(stored: ids.dropLast(3)).missing == ids.suffix(3))
            let hole = simulator.judge(stored: Array(ids[..<20] + ids[21...]), gaps: [Self.always])
            #expect(hole.missing == [ids[20]])
            let early = DeclaredGap(from: Timestamp(milliseconds: 0), to: Timestamp(milliseconds: 1))
            #expect(simulator.judge(stored: ids.dropLast(3), gaps: [early]).missing == ids.suffix(3))
        }
    }

    @Test("after a clean close nothing may be missing")
    func closeIsNoExcuse() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.close, after: 50))
            _ = try await curl(Curl.stream)
            #expect(simulator.judge(stored: ids(simulator).dropLast(), gaps: [Self.always]).missing.count == 1)
        }
    }

    @Test("redelivery begins before the cut, and then everything is an obligation")
    func redelivery() async throws {
        try await withSimulator({ $0.redelivery = .seconds(60) }) { simulator, curl in
            simulator.inject(Fault(.reset, after: 50))
            _ = try await curl(Curl.stream)
            simulator.inject(Fault(.close, after: 200))
            let answer = try await curl(Curl.stream)
            #expect(answer.lines.count == 200)
            let ids = ids(simulator)
            #expect(simulator.judge(stored: ids).repeated == 50)
            #expect(simulator.judge(stored: ids.dropFirst(), gaps: [Self.always]).missing == [ids[0]])
        }
    }

    @Test("what was due while nobody listened is lost, and must be declared")
    func losesWhileAway() async throws {
        try await withSimulator({
            $0.losesWhileAway = true
            $0.rate = 100
            $0.feed = .generator(seed: 1, count: nil)
        }) { simulator, curl in
            simulator.inject(Fault(.close, after: 20))
            _ = try await curl(Curl.stream, seconds: 60)
            // Time is what is lost here: 50 posts are due meanwhile.
            try await endure(.milliseconds(500))
            simulator.inject(Fault(.close, after: 20))
            _ = try await curl(Curl.stream, seconds: 60)
            simulator.stopFeed()
            let connections = simulator.connections
            let written = connections.flatMap { $0.written.map(\.index) }
            let lost =
                try #require(connections.last?.written.first).index
                - (try #require(connections[0].written.last).index + 1)
            #expect(lost >= 30)
            let stored = written.compactMap { simulator.id(ofLine: $0) }
            let gap = DeclaredGap(
                from: try #require(connections[0].endedAt), to: try #require(connections.last?.startedAt))
            #expect(simulator.judge(stored: stored, gaps: [gap]).isClean)
            #expect(
                simulator.judge(stored: stored).undeclared.count >= Int(lost))
        }
    }
}
