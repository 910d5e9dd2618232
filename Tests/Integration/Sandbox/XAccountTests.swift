import Core
import Foundation
import Sandbox
import TestSupport
import Testing

@Suite("XSimulator: connections, search, recovery, time", .timeLimit(.minutes(4)))
struct XAccountTests {
    private static let connections =
        "/2/connections?status=all&connection.fields=client_ip,connected_at,disconnected_at,id"
    private static let search = "/2/tweets/search/recent?query=coffee&max_results=50"

    private func listed(_ answer: Curl.Answer) throws -> [[String: Any]] {
        try answer.json()["data"] as? [[String: Any]] ?? []
    }

    @Test("a connection that lingers takes the place until it is killed, or its time is over")
    func lingers() async throws {
        try await withSimulator({ $0.linger = .seconds(300) }) { simulator, curl in
            for wayOut in 0...1 {
                simulator.inject(Fault(.reset, after: 5))
                _ = try await curl(Curl.stream)
                let refused = try await curl(Curl.stream)
                #expect(refused.status == 429 && refused.body.contains("TooManyConnections"))
                let active = try listed(try await curl("/2/connections?connection.fields=client_ip,connected_at"))
                #expect(active.count == 1)
                #expect(active.first?["client_ip"] as? String == "127.0.0.1")
                if wayOut == 0 {
                    let id = try #require(active.first?["id"] as? String)
                    let kill = ["-X", "DELETE"]
                    let body = #"{"uuids":["\#(id)","other"]}"#
                    let answer = try await curl("/2/connections", post: body, arguments: kill)
                    let data = try #require(try answer.json()["data"] as? [String: Any])
                    #expect(data["successful_kills"] as? Int == 1 && data["failed_kills"] as? Int == 1)
                } else {
                    simulator.clock.advance(by: .seconds(300))
                }
                #expect(try listed(try await curl("/2/connections")).isEmpty)
            }
            #expect(try listed(try await curl(Self.connections)).count == 2)
            simulator.inject(Fault(.close, after: 5))
            #expect(try await curl(Curl.stream).lines.count == 5)
        }
    }

    @Test("a killed connection is cut; one of somebody else stays unless it is meant")
    func kills() async throws {
        try await withSimulator({ $0.connectionLimit = 2 }) { simulator, curl in
            let other = simulator.addConnection(of: "203.0.113.7")
            async let reading = curl(Curl.stream, seconds: 30)
            let isReached = try await holds { simulator.connections.first?.written.count == 200 }
            #expect(isReached)
            let both = try listed(try await curl(Self.connections))
            #expect(Set(both.compactMap { $0["client_ip"] as? String }) == ["127.0.0.1", "203.0.113.7"])
            let ours = try #require(simulator.connections.first?.id)
            _ = try await curl("/2/connections", post: #"{"uuids":["\#(ours)"]}"#, arguments: ["-X", "DELETE"])
            #expect(try await reading.exit == .status(18))
            #expect(simulator.connections.first?.ending == .killed && simulator.isOpen(other))
            _ = try await curl("/2/connections/filtered_stream", arguments: ["-X", "DELETE"])
            #expect(!simulator.isOpen(other))
        }
    }

    @Test("a newer connection may take the place of the older one, which is told so")
    func displaces() async throws {
        try await withSimulator({ $0.displacesConnections = true }) { simulator, curl in
            async let first = curl(Curl.stream, seconds: 30)
            let isReached = try await holds { simulator.connections.first?.written.count == 200 }
            #expect(isReached)
            #expect(try await curl(Curl.stream, seconds: 10).status == 200)
            #expect(try await first.body.contains(#""disconnect_type":"ForceDisconnect""#))
            #expect(simulator.connections.first?.ending == .displaced)
        }
    }

    @Test("a search finds what was issued, newest first, page by page, or for ever")
    func searches() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.close, after: 200))
            _ = try await curl(Curl.stream)
            var path = Self.search
            var ids: [String] = []
            while true {
                let answer = try await curl(path)
                ids += try listed(answer).compactMap { $0["id"] as? String }
                #expect((try answer.json()["includes"] as? [String: Any])?["users"] != nil)
                let meta = try #require(try answer.json()["meta"] as? [String: Any])
                guard let next = meta["next_token"] as? String else { break }
                path = Self.search + "&next_token=" + next
            }
            let all = (0..<200).compactMap { simulator.id(ofLine: $0) }.map(String.init)
            #expect(ids == all.reversed())
            let few = try listed(try await curl(Self.search + "&since_id=\(all[9])&until_id=\(all[12])"))
            #expect(few.compactMap { $0["id"] as? String } == [all[11], all[10]])
            #expect(try listed(try await curl("/2/tweets/search/recent?query=tea")).isEmpty)
            #expect(try await curl("/2/tweets/search/recent?query=tea&max_results=9").status == 400)
            simulator.searchLoops = true
            let loop = try await curl(Self.search).json()["meta"] as? [String: Any]
            #expect(loop?["next_token"] as? String != nil)
            #expect(simulator.searches.count == 8)
            // What a search has delivered has to be stored, too.
            #expect(simulator.judge(stored: all.dropLast().compactMap { Int64($0) }).missing.count == 1)
        }
    }

    @Test("withheld lines have ids of the time that passed; recovery and backfill bring them back")
    func recovers() async throws {
        try await withSimulator({
            $0.losesWhileAway = true
            $0.rate = 0.2
            $0.feed = .generator(seed: 1, count: nil)
            $0.clockOffset = .seconds(-3600)
        }) { simulator, curl in
            simulator.setRate(2)
            simulator.inject(Fault(.close, after: 2))
            _ = try await curl(Curl.stream)
            simulator.setRate(0.2)
            let start = simulator.clock.now
            simulator.clock.advance(by: .seconds(3600))
            let window = "?start_time=\(seconds(start))&end_time=\(seconds(simulator.clock.now))"
            let recovered = try await curl(Curl.stream + window, seconds: 20)
            #expect((715...725).contains(recovered.lines.count))
            #expect(simulator.connections.last?.isRecovery == true && simulator.connections.last?.ending == .closed)
            let first = try #require(simulator.id(ofLine: 2)), last = try #require(simulator.id(ofLine: 700))
            #expect((last >> 22) - (first >> 22) > 3_400_000)
            simulator.inject(Fault(.close, after: 60))
            let backfilled = try await curl(Curl.stream + "?backfill_minutes=5", seconds: 20)
            #expect(backfilled.lines.count == 60)
            simulator.clock.advance(by: .seconds(90_000))
            #expect(try await curl(Curl.stream + window).status == 400)
        }
    }

    private func seconds(_ moment: Timestamp) -> String { moment.description.prefix(19) + "Z" }

    @Test("the 15 minutes of a budget pass with the clock")
    func budgetsFollowTheClock() async throws {
        try await withSimulator(rules: []) { simulator, curl in
            for _ in 1...50 { _ = try await curl(Curl.stream) }
            #expect(try await curl(Curl.stream).status == 429)
            simulator.clock.advance(by: .seconds(901))
            #expect(try await curl(Curl.stream).status == 409)
            #expect(simulator.attempts.count == 52)
        }
    }

    @Test("a self-serve plan has neither backfill nor recovery")
    func selfServe() async throws {
        try await withSimulator({ $0.isEnterprise = false }) { _, curl in
            for parameter in ["backfill_minutes=2", "start_time=2026-01-01T00:00:00Z"] {
                let answer = try await curl(Curl.stream + "?" + parameter)
                #expect(answer.status == 403)
            }
        }
    }
}
