import Core
import Foundation
import Sandbox
import TestSupport
import Testing

@Suite("XSimulator: stream", .timeLimit(.minutes(4)))
struct XStreamTests {
    @Test("lines come whole, in order, with CR LF, and are those of the generator")
    func delivers() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.close, after: 200))
            let answer = try await curl(Curl.stream, seconds: 60)
            #expect(answer.status == 200)
            #expect(answer.header["x-rate-limit-limit"] == "50" && answer.header["x-rate-limit-remaining"] == "49")
            #expect(answer.lines.count == 200)
            for (index, line) in answer.lines.enumerated() {
                #expect(Array(line.utf8) == simulator.bytes(ofLine: Int64(index)))
            }
            #expect(simulator.isDrained)
        }
    }

    @Test("files are sent byte for byte")
    func sendsFiles() async throws {
        let lines = [
            #"{"data":{"text":"a\"}, \"id\":\"7\"","id":"12"},"x":1}"#, #"{ "data" : {"id":"13"} }"#, "no json", "{}",
        ]
        try await withSimulator({ $0.feed = .lines(lines.map { Array($0.utf8) }) }) { simulator, curl in
            simulator.inject(Fault(.close, after: 4))
            let answer = try await curl(Curl.stream, seconds: 60)
            #expect(answer.lines == lines)
            #expect((0..<4).map { simulator.id(ofLine: $0) } == [12, 13, nil, nil])
        }
    }

    @Test("keep-alives come when nothing else does")
    func keepAlives() async throws {
        try await withSimulator({
            $0.feed = .lines([])
            $0.keepAlive = .milliseconds(200)
        }) { simulator, curl in
            let start = ContinuousClock.now
            async let reading = curl(Curl.stream, seconds: 60)
            let isReached = try await holds { simulator.connections.first?.keepAlives ?? 0 >= 5 }
            #expect(isReached)
            simulator.inject(Fault(.close))
            let answer = try await reading
            #expect(answer.body.allSatisfy { $0 == "\r\n" })
            #expect(answer.body.count == simulator.connections.first?.keepAlives)
            #expect(ContinuousClock.now - start >= .seconds(1))
        }
    }

    @Test("the rate is kept")
    func keepsRate() async throws {
        try await withSimulator({ $0.rate = 50 }) { simulator, curl in
            simulator.inject(Fault(.close, after: 100))
            let start = ContinuousClock.now
            let answer = try await curl(Curl.stream, seconds: 60)
            #expect(answer.lines.count == 100)
            #expect((1.8...20).contains((ContinuousClock.now - start) / .seconds(1)))
        }
    }

    @Test("it goes on while tests block every thread of Swift's own")
    func hasAThreadOfItsOwn() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.close, after: 200))
            let isRead = Stop()
            // More than there are threads; each waits until all is read.
            let blockers = (0..<64).map { _ in Task.detached { isRead.wait(for: .seconds(90)) } }
            let url = simulator.url + Curl.stream
            let answer = try await withCheckedThrowingContinuation { done in
                Thread.detachNewThread {
                    let command = ChildCommand(
                        "/usr/bin/env", ["curl", "-sm", "60", "-H", "Authorization: Bearer \(curl.token ?? "")", url])
                    done.resume(with: Result { try ChildProcess.run(command) })
                    isRead.raise()
                }
            }
            for blocker in blockers { _ = await blocker.value }
            #expect(answer.exit == .status(0))
            #expect(simulator.connections.first?.written.count == 200)
        }
    }

    @Test("a wrong or missing token is refused with 401, also after a change")
    func refusesToken() async throws {
        try await withSimulator { simulator, curl in
            var wrong = curl
            wrong.token = nil
            #expect(try await wrong(Curl.stream).status == 401)
            simulator.bearerToken = "next"
            let answer = try await curl(Curl.rules)
            #expect(answer.status == 401)
            #expect(try answer.json()["title"] as? String == "Unauthorized")
        }
    }

    @Test("without rules there is no stream")
    func needsRules() async throws {
        try await withSimulator(rules: []) { _, curl in
            let answer = try await curl(Curl.stream)
            #expect(answer.status == 409)
            #expect(try answer.json()["connection_issue"] as? String == "RuleConfigurationIssue")
        }
    }

    @Test("a second connection is refused, and taken when the first has gone")
    func oneConnection() async throws {
        try await withSimulator({ $0.rate = 10 }) { simulator, curl in
            async let first = curl(Curl.stream, seconds: 60)
            let isReached = try await holds { simulator.connections.count == 1 }
            #expect(isReached)
            let second = try await curl(Curl.stream)
            #expect(second.status == 429)
            #expect(try second.json()["connection_issue"] as? String == "TooManyConnections")
            simulator.inject(Fault(.close))
            _ = try await first
            simulator.inject(Fault(.close, after: 1))
            #expect(try await curl(Curl.stream, seconds: 60).status == 200)
        }
    }

    @Test("the 51st connect in 15 minutes is refused with the time to wait for")
    func limitsConnects() async throws {
        try await withSimulator(rules: []) { simulator, curl in
            for _ in 1...50 { #expect(try await curl(Curl.stream).status == 409) }
            let answer = try await curl(Curl.stream)
            #expect(answer.status == 429)
            #expect(answer.header["x-rate-limit-remaining"] == "0")
            let reset = try #require(answer.header["x-rate-limit-reset"].flatMap { Double($0) })
            #expect(abs(reset - Date().timeIntervalSince1970 - 900) < 60)
            #expect(simulator.refusals == [409: 50, 429: 1])
        }
    }

    @Test("an unknown parameter is refused, an unknown field is not")
    func checksParameters() async throws {
        try await withSimulator { simulator, curl in
            let unknown = try await curl(Curl.stream + "?tweet_fields=id")
            #expect(unknown.status == 400)
            #expect(try await curl(Curl.stream + "?backfill_minutes=6").status == 400)
            simulator.inject(Fault(.close, after: 1))
            #expect(try await curl(Curl.stream + "?tweet.fields=id,nonsense&backfill_minutes=5").status == 200)
            #expect(simulator.connections.first?.query == "tweet.fields=id,nonsense&backfill_minutes=5")
        }
    }

    @Test("sample streams have no rules, lines of their own, and a connection each")
    func samples() async throws {
        try await withSimulator(rules: []) { simulator, curl in
            for (path, stream) in [
                ("sample/stream", SimulatedStream.sample), ("sample10/stream?partition=1", .sample10(partition: 1)),
                ("sample10/stream?partition=2", .sample10(partition: 2)),
            ] {
                simulator.inject(Fault(.close, after: 200))
                let answer = try await curl("/2/tweets/" + path, seconds: 60)
                #expect(answer.status == 200 && answer.lines.count == 200 && simulator.isDrained(stream))
                #expect(answer.lines.allSatisfy { !$0.contains("matching_rules") })
                #expect(simulator.issuedIDs(of: stream).count == 200)
                #expect(simulator.connections(of: stream).map(\.ending) == [.closed])
            }
            #expect(simulator.connections.isEmpty)
            let listed = try await curl("/2/connections?status=all&connection.fields=endpoint_name")
            #expect(listed.body.components(separatedBy: "\"sample10_stream\"").count == 3)
            #expect(listed.body.components(separatedBy: "\"sample_stream\"").count == 2)
            let filtered = try await curl(Curl.stream)
            #expect(filtered.status == 409)
        }
    }

    @Test("what X refuses of sample streams")
    func refusedSamples() async throws {
        try await withSimulator(rules: []) { simulator, curl in
            for path in [
                "sample/stream?partition=1", "sample/stream?start_time=2026-01-01T00:00:00Z", "sample10/stream",
                "sample10/stream?partition=3", "sample10/stream?partition=x", "sample10/stream?partition=1&x=1",
            ] {
                let answer = try await curl("/2/tweets/" + path)
                #expect(answer.status == 400, "\(path)")
            }
        }
        try await withSimulator({ $0.isEnterprise = false }) { simulator, curl in
            for path in ["sample/stream", "sample10/stream?partition=1"] {
                let answer = try await curl("/2/tweets/" + path)
                #expect(answer.status == 403, "\(path)")
            }
        }
    }

    @Test("the lines of files go by turns to the partitions, and all of them to the sample")
    func samplesOfFiles() async throws {
        let lines = (0..<7).map { "{\"data\":{\"id\":\"\($0 + 10)\"}}" }
        try await withSimulator({ $0.feed = .lines(lines.map { Array($0.utf8) }) }) { simulator, curl in
            for (path, expected) in [
                ("sample/stream", lines), ("sample10/stream?partition=1", [0, 2, 4, 6].map { lines[$0] }),
                ("sample10/stream?partition=2", [1, 3, 5].map { lines[$0] }),
            ] {
                simulator.inject(Fault(.close, after: expected.count))
                let answer = try await curl("/2/tweets/" + path, seconds: 60)
                #expect(answer.lines == expected, "\(path)")
            }
        }
    }
}
