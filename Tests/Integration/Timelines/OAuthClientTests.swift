import Core
import Foundation
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

/// The simulator and the commands against code that is not ours.
@Suite("Timelines: logins with other programs", .serialized, .ownThreads, .timeLimit(.minutes(4)))
struct OAuthClientTests {
    private static let fixtures = repository.appending(path: "Tests/Integration/Timelines/Fixtures").path
    /// A Python with requests-oauthlib of PyPI.
    private static let python = ProcessInfo.processInfo.environment["TEST_OAUTH_PYTHON"] ?? "/usr/bin/python3"
    private static let hasLibrary: Bool = {
        let found = try? ChildProcess.run(ChildCommand(python, ["-c", "import requests_oauthlib"]))
        return found?.exit == .status(0)
    }()

    @Test(
        "requests-oauthlib logs in to the simulator, calls, and refreshes",
        .enabled(if: hasLibrary, "TEST_OAUTH_PYTHON names no Python with requests-oauthlib"),
        arguments: [nil, "s3cret"])
    func anIndependentClientLogsIn(_ secret: String?) async throws {
        try await TimelinesFixture.with { fixture in
            fixture.simulator.setUser(41)
            fixture.simulator.setBrowser(41)
            fixture.simulator.setClientSecret(secret)
            var command = ChildCommand(
                Self.python,
                [Self.fixtures + "/oauth_client.py", fixture.simulator.url, TimelinesFixture.client]
                    + (secret.map { [$0] } ?? []))
            command.environment["no_proxy"] = "127.0.0.1"
            let ended = try ChildProcess.run(command)
            #expect(ended.exit == .status(0), "\(ended)")
            #expect(ended.output.hasSuffix("id 41\nrefreshed 200\nspent invalid_request\n"), "\(ended)")
            // A spent token ends the whole login.
            #expect(!fixture.simulator.isLoggedIn(41) && fixture.simulator.userRecord.revokedFamilies == 1)
        }
    }

    @Test("accounts login completes a login with a token endpoint that is not ours", arguments: [nil, "s3cret"])
    func aForeignTokenEndpointLogsUsIn(_ secret: String?) async throws {
        try await TimelinesFixture.with { fixture in
            var command = ChildCommand(
                "/usr/bin/python3", [Self.fixtures + "/token_endpoint.py"] + (secret.map { [$0] } ?? []))
            command.output = .pipe
            let server = try ChildProcess(command)
            defer { server.kill() }
            let port = try #require(server.readLine(timeout: .seconds(60)))
            let url = "http://127.0.0.1:\(port)"
            let ended = try LoginBrowser.logIn(
                fixture, environment: ["X_URL": url, "X_LOGIN_URL": url, "X_CLIENT_SECRET": secret])
            #expect(ended.exit == .status(0) && ended.output.contains("added @thirtyone (31)"), "\(ended)")
            let connection = try fixture.connect()
            guard case .token(let token) = try fixture.store(connection).token(of: 31, connection) else {
                Issue.record("no token is stored")
                return
            }
            #expect(token.access.value == "the-access-token" && token.refresh?.value == "the-refresh-token")
        }
    }
}
