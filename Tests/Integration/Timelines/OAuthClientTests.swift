import Core
import Foundation
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines
@testable import XAPI

/// The simulator and the commands against code that is not ours.
@Suite("Timelines: logins with other programs", .serialized, .ownThreads, .timeLimit(.minutes(4)))
struct OAuthClientTests {
    /// Runs programs with packages of PyPI.
    private static let python = repository.appending(path: "scripts/python.sh").path

    @Test(
        "requests-oauthlib logs in to the simulator, calls, and refreshes",
        arguments: [nil, "s3cret"])
    func anIndependentClientLogsIn(_ secret: String?) async throws {
        try await TimelinesFixture.with { fixture in
            fixture.simulator.setUser(41)
            fixture.simulator.setBrowser(41)
            fixture.simulator.setClientSecret(secret)
            var command = ChildCommand(
                Self.python,
                ["oauth-client", fixture.simulator.url, TimelinesFixture.client] + (secret.map { [$0] } ?? []))
            command.environment["no_proxy"] = "127.0.0.1"
            let ended = try ChildProcess.run(command)
            #expect(ended.exit == .status(0), "\(ended)")
            #expect(ended.output.hasSuffix("id 41\nrefreshed 200\nspent invalid_request\n"), "\(ended)")
            // A spent token ends the whole login.
            #expect(!fixture.simulator.isLoggedIn(41) && fixture.simulator.userRecord.revokedFamilies == 1)
        }
    }

    @Test(
        "OAuth 1.0a: 500 requests with odd characters and repeated names have the signatures that oauthlib makes")
    func signaturesOfAnIndependentLibrary() throws {
        var random = SplitMix64(seed: 5849)
        let requests = (0..<500).map { _ in SignedRequest(&random) }
        let folder = try TemporaryFolder()
        try folder.write(requests.map(\.line).joined(separator: "\n"), to: "requests")
        let ended = try ChildProcess.run(
            ChildCommand(
                "/bin/sh",
                ["-c", "exec \"$0\" oauth1-signatures <\"$1\"", Self.python, folder.path + "/requests"]))
        #expect(ended.exit == .status(0), "\(ended)")
        let theirs = ended.output.split(separator: "\n").map { $0.firstMatch(of: #/oauth_signature="([^"]+)"/#)?.1 }
        #expect(theirs.count == requests.count)
        for (request, signature) in zip(requests, theirs) {
            let ours = request.header.value.firstMatch(of: #/oauth_signature="([^"]+)"/#)?.1
            #expect(ours == signature, "\(request.line)")
        }
    }

    /// A request to sign, with names and values of characters that are easily escaped wrongly.
    private struct SignedRequest {
        private static let characters = Array("aab1-._~ +&=%/?#@:;,'\"()*!é€😀\t")
        private let query: [(name: String, value: String)]
        private let keys: OAuth1Keys
        private let nonce: String
        private let seconds: Int64
        private let url = "https://api.x.com/2/users/1/tweets"

        init(_ random: inout SplitMix64) {
            func text(_ length: ClosedRange<Int>) -> String {
                let count = Int.random(in: length, using: &random)
                return String((0..<count).map { _ in Self.characters.randomElement(using: &random) ?? "a" })
            }
            query = (0..<Int.random(in: 0...8, using: &random)).map { _ in (text(1...3), text(0...6)) }
            keys = OAuth1Keys(
                consumerKey: text(1...9), consumerSecret: Secret(text(1...9)), token: Secret(text(1...9)),
                tokenSecret: Secret(text(1...9)))
            nonce = text(8...8)
            seconds = Int64.random(in: 1...4_000_000_000, using: &random)
        }

        var header: Secret {
            OAuth1Signature.header("GET", url, query: query, keys: keys, nonce: nonce, seconds: seconds)
        }

        /// For the script.
        var line: String {
            let pairs = query.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }
            let members = [
                "method": "GET", "url": query.isEmpty ? url : url + "?" + pairs.joined(separator: "&"), "nonce": nonce,
                "timestamp": "\(seconds)", "consumer_key": keys.consumerKey,
                "consumer_secret": keys.consumerSecret.value, "token": keys.token.value,
                "token_secret": keys.tokenSecret.value,
            ]
            let data = try? JSONSerialization.data(withJSONObject: members)
            return String(decoding: data ?? Data(), as: UTF8.self)
        }
    }

    @Test("accounts login completes a login with a token endpoint that is not ours", arguments: [nil, "s3cret"])
    func aForeignTokenEndpointLogsUsIn(_ secret: String?) async throws {
        try await TimelinesFixture.with { fixture in
            let program = repository.appending(path: "Tests/Integration/Timelines/Fixtures/token_endpoint.py").path
            var command = ChildCommand("/usr/bin/python3", [program] + (secret.map { [$0] } ?? []))
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
