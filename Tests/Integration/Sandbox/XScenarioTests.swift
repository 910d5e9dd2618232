import Core
import Foundation
import Sandbox
import TestSupport
import Testing
import TweetFormat

@Suite("XSimulator: scenarios, encodings, TLS", .timeLimit(.minutes(4)))
struct XScenarioTests {
    @Test("the steps of a scenario happen by themselves")
    func scenario() async throws {
        let scenario = try Scenario(
            yaml: """
                steps:
                - after_lines: 20
                  do: {fault: {type: close}, token: next}
                - at: 1h
                  do: {rules: {add: [{value: tea, tag: hot}], delete: [coffee]}}
                - {"after_connections": 1, "do": {"advance": "1h", "counts": {"tea": 70}}}
                """)
        try await withSimulator({
            $0.scenario = scenario
            $0.rate = 100
        }) { simulator, curl in
            #expect(try await curl(Curl.stream).lines.count >= 20)
            let isReplaced = try await holds { simulator.bearerToken == "next" }
            #expect(isReplaced)
            #expect(try await curl(Curl.rules).status == 401)
            #expect(simulator.ruleHistory.last?.map(\.value) == ["tea"])
            #expect(simulator.counts == ["tea": 70])
        }
    }

    @Test(
        "a mistake in a scenario is named with its place",
        arguments: [
            ("steps: [{at: 5 parsecs, do: {}}]", "steps.[0].at: not a time span"),
            ("steps: [{do: {fualt: {type: close}}}]", "steps.[0].do: there is no 'fualt'; there are: fault, "),
            ("steps: [{do: {fault: {type: explode}}}]", "explode"), ("step: []", "'steps' is missing"),
        ])
    func mistakes(_ text: String, _ message: String) {
        let failure = #expect(throws: Failure.self) { _ = try Scenario(yaml: text, path: "a.yaml") }
        #expect(failure?.description.contains(message) == true, "\(failure?.description ?? "")")
        #expect(failure?.description.hasPrefix("a.yaml") == true)
    }

    @Test("changes come over HTTP, too, and a wrong one is refused")
    func changes() async throws {
        try await withSimulator { simulator, curl in
            #expect(try await curl("/sandbox", post: #"{"linger":"5m","search_loops":true}"#).status == 204)
            #expect(simulator.linger == .seconds(300) && simulator.searchLoops)
            let wrong = try await curl("/sandbox", post: #"{"lingre":"5m"}"#)
            #expect(wrong.status == 400 && wrong.body.contains("lingre"))
        }
    }

    @Test("an answer is compressed though nobody asked, and may end too early")
    func gzip() async throws {
        try await withSimulator { simulator, curl in
            simulator.inject(Fault(.gzip, count: 2))
            simulator.inject(Fault(.close, after: 10))
            let whole = try await curl(Curl.stream, arguments: ["--compressed", "-H", "Accept-Encoding: identity"])
            #expect(whole.exit == .status(0) && whole.header["content-encoding"] == "gzip")
            #expect(whole.lines.map { Array($0.utf8) } == (0..<10).map(simulator.bytes(ofLine:)))
            simulator.inject(Fault(.truncate, after: 10))
            let part = try await curl(Curl.stream, arguments: ["--compressed"])
            #expect(part.lines.count >= 10)
            #expect(simulator.connections.last?.cut == [20])
            simulator.inject(Fault(.close, after: 1))
            #expect(try await curl(Curl.stream).header["content-encoding"] == nil)
        }
    }

    @Test("every control message comes in X's form, and the connection ends", arguments: [false, true])
    func controls(_ isBare: Bool) async throws {
        try await withSimulator({ $0.enforcesRateLimits = false }) { simulator, curl in
            for kind in ControlMessage.disconnectTypes + ControlMessage.connectionIssues + ["Unheard"] {
                simulator.inject(Fault(.control, text: kind, bare: isBare))
                let line = try #require(try await curl(Curl.stream).lines.last)
                let json = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                let problem = isBare ? json : (json["errors"] as? [[String: Any]])?.first ?? [:]
                let member = ControlMessage.connectionIssues.contains(kind) ? "connection_issue" : "disconnect_type"
                #expect(problem[member] as? String == kind)
            }
        }
    }

    @Test("bodies and lines as long as one likes")
    func huge() async throws {
        try await withSimulator { simulator, curl in
            var refusal = Refusal.serverError(503)
            refusal.filler = 5_000_000
            simulator.inject(Fault(.refuse, answer: refusal))
            let refused = try await curl(Curl.stream)
            #expect(refused.body.utf8.count > 5_000_000)
            simulator.inject(Fault(.endless, bytes: 3_000_000))
            simulator.inject(Fault(.close, after: 1))
            let endless = try await curl(Curl.stream)
            #expect(endless.lines.first?.utf8.count == 3_000_000)
        }
    }

    @Test("TLS is as good or as bad as asked for")
    func tls() async throws {
        try await withSimulator({ $0.certificate = .valid }) { simulator, curl in
            let trust = ["--cacert", try #require(simulator.caFile)]
            simulator.inject(Fault(.close, after: 50))
            let good = try await curl(Curl.stream, arguments: trust)
            #expect(good.exit == .status(0) && good.lines.count == 50)
            // curl's exit statuses: 60 for a certificate that cannot be trusted, 35 for a handshake that fails.
            #expect(try await curl(Curl.rules).exit == .status(60))
            for (kind, status) in [(CertificateKind.expired, 60), (.wrongName, 60), (.cut, 35)] {
                simulator.certificate = kind
                #expect(try await curl(Curl.rules, arguments: trust).exit == .status(Int32(status)), "\(kind)")
            }
            simulator.certificate = .valid
            simulator.inject(Fault(.reset, after: 3))
            #expect(try await curl(Curl.stream, arguments: trust).exit != .status(0))
        }
    }
}
