import Foundation
import Sandbox
import TestSupport
import Testing

@Suite("XSimulator: faults", .timeLimit(.minutes(4)))
struct XFaultTests {
    /// curl's exit statuses: libcurl-errors(3).
    private enum CurlExit {
        static let done = ChildProcess.Exit.status(0)
        static let partial = ChildProcess.Exit.status(18)
        static let timedOut = ChildProcess.Exit.status(28)
        static let receiveError = ChildProcess.Exit.status(56)
    }

    @Test("close ends the answer after whole lines")
    func close() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.close, after: 10))
            let answer = try await curl(Curl.stream)
            #expect(answer.exit == CurlExit.done)
            #expect(answer.lines.count == 10)
            #expect(simulator.connections.first?.ending == .closed)
            simulator.inject(Fault(.close, after: 190))
            #expect(try await curl(Curl.stream, seconds: 60).lines.count == 190)
        }
    }

    @Test("drop and reset cut a line, which the next connection gets whole")
    func cutsLines() async throws {
        try await withSimulator { simulator, curl in
            for (fault, exit) in [(Fault.Kind.drop, CurlExit.partial), (.reset, CurlExit.receiveError)] {
                let start = simulator.connections.reduce(0) { $0 + $1.written.count }
                simulator.inject(Fault(fault, after: 5, bytes: 100))
                let answer = try await curl(Curl.stream)
                #expect(answer.exit == exit)
                let connection = try #require(simulator.connections.last)
                #expect(connection.written.count == 5)
                #expect(connection.cut == [Int64(start + 5)])
                // A reset may also throw away what the client had not read yet.
                if fault == .drop {
                    #expect(
                        answer.body.hasSuffix(
                            String(decoding: simulator.bytes(ofLine: Int64(start + 5)).prefix(100), as: UTF8.self)))
                }
            }
            #expect(simulator.connections.map(\.ending) == [.dropped, .reset])
            simulator.inject(Fault(.close, after: 1))
            let rest = try await curl(Curl.stream, seconds: 60)
            #expect(rest.lines.first.map { Array($0.utf8) } == simulator.bytes(ofLine: 10))
        }
    }

    @Test("a stall writes not even keep-alives, quiet writes nothing else")
    func stallAndQuiet() async throws {
        try await withSimulator({ $0.keepAlive = .milliseconds(50) }) { simulator, curl in
            simulator.inject(Fault(.stall, seconds: 1))
            simulator.inject(Fault(.close))
            #expect(try await curl(Curl.stream).body.isEmpty)
            #expect(simulator.connections.first?.keepAlives == 0)
            simulator.inject(Fault(.quiet, seconds: 60))
            async let reading = curl(Curl.stream, seconds: 60)
            let isReached = try await holds {
                simulator.connections.last.map { $0.number == 2 && $0.keepAlives > 2 } == true
            }
            #expect(isReached)
            simulator.inject(Fault(.close))
            let quiet = try await reading
            #expect(!quiet.body.isEmpty && quiet.lines.isEmpty)
        }
    }

    @Test("garbage, duplicates and disorder are in the record")
    func disturbsLines() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.line, after: 5, text: "garbage"))
            simulator.inject(Fault(.duplicate, after: 6, count: 3))
            simulator.inject(Fault(.reorder, after: 20, count: 4))
            simulator.inject(Fault(.close, after: 203))
            let answer = try await curl(Curl.stream, seconds: 60)
            #expect(answer.lines.count == 204)
            #expect(answer.lines[5] == "garbage")
            let connection = try #require(simulator.connections.first)
            let indexes = connection.written.map(\.index)
            #expect(indexes.prefix(9) == [0, 1, 2, 3, 4, 5, 3, 4, 5])
            #expect(zip(indexes, indexes.dropFirst()).count { $0 == $1 + 1 } == 3)
            #expect(Set(indexes) == Set(0..<200))
            #expect(connection.extra == [Array("garbage".utf8)])
        }
    }

    @Test("split sends the same bytes in pieces")
    func split() async throws {
        try await withSimulator({ $0.feed = .generator(seed: 1, count: 3) }) { simulator, curl in
            simulator.inject(Fault(.split, count: 3, bytes: 7))
            simulator.inject(Fault(.close, after: 3))
            let answer = try await curl(Curl.stream, seconds: 60)
            #expect(answer.lines.map { Array($0.utf8) } == (0..<3).map(simulator.bytes(ofLine:)))
        }
    }

    @Test("refusals come in X's words, so often, and only where they were asked for")
    func refuses() async throws {
        try await withSimulator { simulator, curl in
            for (refusal, status, word) in [
                (Refusal.rateLimit, 429, "Rate limit exceeded"), (.tooManyConnections, 429, "TooManyConnections"),
                (.usageCap, 429, "UsageCapExceeded"), (.creditsDepleted, 402, "credits"),
                (.forbidden, 403, "client-not-enrolled"),
                (.serverError(502), 502, "<html>"),
            ] {
                simulator.inject(Fault(.refuse, count: 2, endpoint: "stream", answer: refusal))
                #expect(try await curl(Curl.rules).status == 200)
                for _ in 1...2 {
                    let answer = try await curl(Curl.stream)
                    #expect(answer.status == status)
                    #expect(answer.body.contains(word))
                }
            }
            simulator.inject(Fault(.close, after: 1))
            #expect(try await curl(Curl.stream).status == 200)
        }
    }

    @Test("a slow header, and no answer at all")
    func slowAnswers() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.slowHeader, seconds: 0.5))
            simulator.inject(Fault(.silence))
            for _ in 1...2 {
                let answer = try await curl(Curl.stream, seconds: 1)
                #expect(answer.exit == CurlExit.timedOut)
                #expect(answer.status == 0)
            }
            simulator.inject(Fault(.close, after: 1))
            #expect(try await curl(Curl.stream).status == 200)
        }
    }

    @Test("faults and the record are there over HTTP, without a token")
    func controlEndpoint() async throws {
        try await withSimulator { simulator, curl in
            var open = curl
            open.token = nil
            #expect(try await open("/sandbox").body.contains("POST   /sandbox/faults"))
            let refuse = #"{"type":"refuse","answer":{"status":418,"body":"tea","headers":{"x-rate-limit-reset":"7"}}}"#
            #expect(try await open("/sandbox/faults", post: refuse).status == 204)
            let answer = try await curl(Curl.stream)
            #expect(answer.status == 418 && answer.body == "tea" && answer.header["x-rate-limit-reset"] == "7")
            let wrong = try await open("/sandbox/faults", post: #"{"type":"refuse","answer":"nonsense"}"#)
            #expect(wrong.status == 400 && wrong.body.contains("usage-cap"))
            _ = try await open("/sandbox/faults", post: #"{"type":"close","after":3}"#)
            _ = try await curl(Curl.stream)
            let record = try await open("/sandbox/record?lines=true").json()
            let connections = try #require(record["connections"] as? [[String: Any]])
            #expect(connections.first?["written"] as? Int == 3)
            #expect((connections.first?["lines"] as? [Any])?.count == 3)
            _ = try await open("/sandbox/feed", post: #"{"stop":true}"#)
            #expect(try await open("/sandbox/record").json()["is_finished"] as? Bool == true)
        }
    }
}
