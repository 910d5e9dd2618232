import Glibc
import Harness
import Logging
import TestSupport
import Testing

@testable import Core
@testable import XAPI

/// Answers other than the stream: a reason each time, the right ladder, and no hot loop.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XRefusalTests {
    private static let one = #"{"data":{"id":"1001","text":"a"}}"#
    private static let unauthorized =
        #"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#
    private static let failed = "cannot read the stream"

    /// Serves the stream with one line until the client leaves.
    private static let serve: @Sendable (ScriptedServer.Connection) -> Void = { connection in
        connection.sendStreamHead()
        connection.send(one + "\r\n")
        connection.waitForPeer()
    }

    /// Runs against a server that answers `refusals` first and then serves; waits for the first line.
    private func runUntilServed(
        scale: Double = 0.01, _ refusals: (@Sendable (ScriptedServer.Connection) -> Void)...
    ) throws -> (run: StreamRun, requests: Int) {
        let server = try ScriptedServer { connection in
            let script = connection.index < refusals.count ? refusals[connection.index] : Self.serve
            script(connection)
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, backoffScale: scale))
        #expect(run.log.wait { $0.message == "connected to the stream" })
        // Events of refusals are lines, too.
        #expect(try eventually { try run.lines() == [Self.one] })
        _ = run.finish()
        return (run, server.requests.count)
    }

    @Test func aRefusedTokenFromTheEnvironmentEndsTheServiceWithTheRemedy() throws {
        for (status, body) in [(401, Self.unauthorized), (403, #"{"title":"Client Forbidden"}"#)] {
            let server = try ScriptedServer { $0.answer(status, body) }
            defer { server.close() }
            let run = try StreamRun(.test(server.url))
            let failure = try #require(run.waitForError() as? XError)
            _ = run.finish()
            #expect(failure.disposition == .operator(.credentials))
            #expect(failure.description.contains("HTTP \(status)"))
            #expect(status == 403 || failure.description.contains("X_BEARER_TOKEN"))
            #expect(server.requests.count == 1)
            #expect(try run.events().map(\.type) == [.connectFailed])
            #expect(try run.events().first?.status == status)
        }
    }

    @Test func aRefusedTokenFromAFileIsWaitedOutAndReadAgain() throws {
        let folder = try TemporaryFolder()
        try folder.write("old\n", to: "token")
        let server = try ScriptedServer { connection in
            if connection.header("Authorization") == "Bearer new" { return Self.serve(connection) }
            connection.answer(401, Self.unauthorized)
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, token: .file(folder.path + "/token"), backoffScale: 100))
        #expect(run.log.wait { $0.metadata["cause"] == "unauthorized" })
        try folder.write("new\n", to: "token")
        // Long before the wait of the ladder, here 500 s, is over.
        #expect(run.log.wait { $0.message == "connected to the stream" })
        _ = run.finish()
        #expect(server.requests.count == 2)
    }

    @Test func aTokenFileThatIsGoneForAMomentIsWaitedFor() throws {
        let folder = try TemporaryFolder()
        let server = try ScriptedServer(Self.serve)
        defer { server.close() }
        let run = try StreamRun(.test(server.url, token: .file(folder.path + "/token")))
        #expect(run.log.wait { $0.metadata["cause"] == "token" })
        #expect(server.requests.isEmpty)
        try folder.write("new\n", to: "token")
        #expect(run.log.wait { $0.message == "connected to the stream" })
        _ = run.finish()
    }

    @Test func aRequestThatXDoesNotAcceptEndsTheService() throws {
        let server = try ScriptedServer {
            $0.answer(400, #"{"errors":[{"message":"bad"}],"title":"Invalid Request"}"#)
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        let failure = try #require(run.waitForError() as? XError)
        _ = run.finish()
        #expect(failure.disposition == .operator(.settings))
        #expect(failure.description.contains("Invalid Request"))
    }

    @Test func withoutRulesItWaitsWithOneWarningUntilThereAreSome() throws {
        let noRules: @Sendable (ScriptedServer.Connection) -> Void = {
            $0.answer(409, #"{"title":"ConnectionException","connection_issue":"RuleConfigurationIssue"}"#)
        }
        let (run, requests) = try runUntilServed(scale: 0.001, noRules, noRules, noRules)
        #expect(requests == 4)
        let told = run.log.lines.filter { $0.message == Self.failed && $0.level >= .info }
        #expect(told.count == 1)
        #expect(told.first?.metadata["cause"] == "no_rules")
        #expect(told.first?.metadata["detail"]?.contains("tweet-producer rules add") == true)
        #expect(try run.events().filter { $0.type == .connectFailed }.count == 1)
    }

    @Test func everyKindOf429HasItsOwnWait() throws {
        // One minute, or ten, shortened so that each is half a minute: nothing else is asked meanwhile.
        let bodies = [
            ("too_many_connections", #"{"connection_issue":"TooManyConnections"}"#, 0.5),
            ("usage_cap", #"{"title":"UsageCapExceeded","type":"x/usage-capped"}"#, 0.05),
            ("rate_limit", #"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#, 0.5),
        ]
        let wait = 30.0...37.6
        for (cause, body, scale) in bodies {
            let server = try ScriptedServer { $0.answer(429, body) }
            defer { server.close() }
            let run = try StreamRun(.test(server.url, backoffScale: scale))
            #expect(run.log.wait { $0.metadata["cause"] == cause })
            _ = run.finish()
            let line = try #require(run.log.lines.first { $0.metadata["cause"] == cause })
            let seconds = try #require(line.wait)
            #expect(wait.contains(seconds))
            #expect(server.requests.count == 1)
        }
    }

    @Test func aRateLimitIsWaitedOutToItsResetByXsOwnClock() throws {
        // The server's clock is a day behind ours; only its own Date makes the reset two seconds away.
        let (run, requests) = try runUntilServed({
            $0.answer(
                429, "",
                headers: "Date: Wed, 14 Nov 2029 22:13:20 GMT\r\nx-rate-limit-limit: 50\r\n"
                    + "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: 1889388801\r\n")
        })
        #expect(requests == 2)
        let line = try #require(run.log.lines.first { $0.metadata["cause"] == "rate_limit" })
        let seconds = try #require(line.wait)
        #expect((2.0...2.3).contains(seconds))
    }

    @Test func errorsOfTheServerClimbTheHTTPLadderWhateverTheBody() throws {
        let page: @Sendable (ScriptedServer.Connection) -> Void = {
            $0.answer(503, "<html><h1>Over capacity</h1></html>", type: "text/html")
        }
        let (run, requests) = try runUntilServed(page, { $0.answer(500, "") }, { $0.answer(502, "{") })
        #expect(requests == 4)
        let causes = run.log.lines.filter { $0.message == Self.failed }
        #expect(causes.map { $0.metadata["cause"] } == ["server_error", "server_error", "server_error"])
        #expect(causes.map { $0.metadata["status"] } == ["503", "500", "502"])
        let waits = causes.compactMap(\.wait)
        #expect(zip(waits, [0.05, 0.1, 0.2]).allSatisfy { ($1...$1 * 1.26).contains($0) })
    }

    @Test func aHugeBodyIsNotReadToItsEnd() throws {
        let (_, requests) = try runUntilServed({ connection in
            connection.send("HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
            // Without end: only a client that leaves ends it.
            while connection.send([UInt8](repeating: 60, count: 10_000)) {}
        })
        #expect(requests == 2)
    }

    @Test func aPageInsteadOfAStreamIsRefused() throws {
        let (run, _) = try runUntilServed({
            $0.answer(200, "<html>\nlog in\n</html>\n", type: "text/html; charset=utf-8")
        })
        let line = try #require(run.log.lines.first { $0.metadata["cause"] == "not_a_stream" })
        #expect(line.metadata["detail"]?.contains("X_URL") == true)
    }

    @Test func anotherProtocolIsAReasonToo() throws {
        let (run, _) = try runUntilServed({ $0.send("220 mail.example.org ESMTP\r\n") }, { $0.resetAtClose() })
        #expect(run.log.count(Self.failed, cause: "not_http") == 1)
        #expect(run.log.lines.filter { $0.message == Self.failed }.count == 2)
    }

    @Test func aHeaderThatTricklesIsGivenUp() throws {
        let server = try ScriptedServer { connection in
            if connection.index > 0 { return Self.serve(connection) }
            connection.send("HTTP/1.1 200 OK\r\nX: ")
            // The trickle itself: twenty bytes within the time-out.
            while connection.send([UInt8(ascii: "x")]) { endure(.milliseconds(20)) }
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, connectTimeout: .milliseconds(400)))
        #expect(run.log.wait { $0.metadata["cause"] == "timeout" })
        // Events of refusals are lines, too.
        #expect(try eventually { try run.lines() == [Self.one] })
        _ = run.finish()
    }

    @Test func anUnreachableServerIsJournalledOnceAndClimbsTheNetworkLadder() throws {
        // A credential of its own: address and token name the lock of the host.
        let token = BearerToken.value(Secret("\(UInt64.random(in: 0 ... .max))"))
        let run = try StreamRun(.test("http://127.0.0.1:1", token: token, backoffScale: 0.1))
        #expect(run.log.wait { $0.metadata["attempt"] == "4" })
        _ = run.finish()
        #expect(try run.events().map(\.cause) == ["connect"])
        #expect(run.log.lines.filter { $0.level >= .info && $0.message == Self.failed }.count == 1)
    }

    @Test func theConnectBudgetStopsALoop() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.send(Self.one + "\r\n")
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, connectBudget: 3))
        #expect(run.log.wait { $0.message == "the connect budget is used up; waiting" })
        // The budget's window ends after a quarter of an hour.
        #expect(run.finish() < .seconds(90))
        #expect(server.requests.count == 3)
    }

    @Test func onlyATrustedCertificateForTheRightNameIsAccepted() throws {
        let server = try TLSServer(name: "DNS:localhost")
        let address = "https://localhost:\(server.port)"
        let untrusted = try StreamRun(.test(address))
        #expect(untrusted.log.wait { $0.metadata["cause"] == "tls" })
        _ = untrusted.finish()

        // The certificate is right, so the answer is seen: the page that s_server makes of any request.
        let trusted = try StreamRun(.test(address, caFile: server.certificate))
        #expect(trusted.log.wait { $0.metadata["cause"] == "not_a_stream" })
        _ = trusted.finish()

        let wrongName = try StreamRun(.test("https://127.0.0.1:\(server.port)", caFile: server.certificate))
        #expect(wrongName.log.wait { $0.metadata["cause"] == "tls" })
        _ = wrongName.finish()
        #expect(!wrongName.log.lines.contains { $0.metadata["cause"] == "not_a_stream" })
    }
}
