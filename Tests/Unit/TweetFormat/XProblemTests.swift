import Core
import Testing

@testable import TweetFormat

@Suite(.timeLimit(.minutes(5))) struct XProblemTests {
    private static let connectionLimit =
        #"{"title":"ConnectionException","detail":"This stream is at the connection limit.","connection_issue":"TooManyConnections","type":"https://api.twitter.com/2/problems/streaming-connection"}"#
    private static let usageCap =
        #"{"account_id":"1","product_name":"p","title":"UsageCapExceeded","period":"Monthly","scope":"Product","detail":"Usage cap exceeded: Monthly product cap","type":"https://api.twitter.com/2/problems/usage-capped"}"#
    private static let noRules =
        #"{"title":"ConnectionException","detail":"You must define rules.","connection_issue":"RuleConfigurationIssue","type":"https://api.x.com/2/problems/streaming-connection"}"#

    @Test(arguments: [
        (
            400, #"{"title":"Invalid Request","type":"https://api.x.com/2/problems/invalid-request"}"#,
            ProblemKind.badRequest
        ),
        (401, #"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#, .unauthorized),
        (401, #"{"errors":[{"message":"Invalid or expired token","code":89}]}"#, .unauthorized),
        (402, #"{"detail":"credits depleted","status":402,"title":"Payment Required"}"#, .noCredits),
        (403, #"{"title":"Client Forbidden","reason":"client-not-enrolled"}"#, .forbidden),
        (403, #"{"title":"SpendCapReached"}"#, .noCredits),
        (404, "", .notFound),
        (409, noRules, .noRules),
        (409, #"{"connection_issue":"ProvisioningSubscription"}"#, .other),
        (420, "Enhance your calm", .rateLimit),
        (429, connectionLimit, .tooManyConnections),
        (
            429, #"{"errors":[{"title":"ConnectionException","connection_issue":"TooManyConnections"}]}"#,
            .tooManyConnections
        ),
        (429, usageCap, .usageCap),
        (429, #"{"detail":"SpendCapReached"}"#, .noCredits),
        (429, #"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#, .rateLimit),
        (429, #"{"title":"Too Many Requests","type":"about:blank","status":429}"#, .rateLimit),
        (429, "", .rateLimit),
        (500, #"{"title":7,"errors":"odd"}"#, .serverError),
        (503, "<html><body>Over capacity</body></html>", .serverError),
        (301, "", .redirect), (308, "", .redirect), (304, "", .other),
    ])
    func tellsAnswersApart(status: Int, body: String, kind: ProblemKind) {
        #expect(Problem(status: status, body: Array(body.utf8)).kind == kind)
    }

    @Test func showsWhatXSaid() {
        let problem = Problem(status: 429, body: Array(Self.usageCap.utf8))
        #expect(problem.description == "HTTP 429 UsageCapExceeded: Usage cap exceeded: Monthly product cap")
        #expect(
            Problem(status: 401, body: Array(#"{"errors":[{"message":"Invalid or expired token"}]}"#.utf8)).description
                == "HTTP 401: Invalid or expired token")
        #expect(Problem(status: 503, body: Array("<html>".utf8)).description == "HTTP 503")
        let long = #"{"title":"\#(String(repeating: "x", count: 5000))"}"#
        #expect(Problem(status: 500, body: Array(long.utf8)).description.count < 400)
    }
}

@Suite(.timeLimit(.minutes(5))) struct XStreamMessageTests {
    private func message(_ text: String) -> StreamMessage {
        unsafe Array(text.utf8).withUnsafeBytes { unsafe StreamMessage(line: $0) }
    }

    private func reaction(_ text: String) -> ControlReaction? {
        guard case .control(let control) = message(text) else { return nil }
        return control.reaction
    }

    @Test func aLineWithDataIsAPostEvenWithPartialErrors() {
        #expect(message(#"{"data":{"id":"1","text":"a"}}"#) == .post)
        #expect(message(#"{"errors":[{"title":"Not Found Error"}],"matching_rules":[],"data":{"id":"1"}}"#) == .post)
        #expect(message(#"{"includes":{},"data""#) == .post)
    }

    @Test func whatIsNoMessageIsUnknown() {
        for text in ["garbage", "{}", "[]", "\"dat", "{\"meta\":{}}", "<html>", "\u{feff}", "null", "\"data"] {
            #expect(message(text) == .unknown)
        }
        let deep = String(repeating: "[", count: 20_000)
        #expect(message(deep) == .unknown)
        #expect(message(#"{"title":"\#(String(repeating: "x", count: 70_000))"}"#) == .unknown)
    }

    @Test(arguments: [
        ("OperationalDisconnect", ControlReaction.reconnect), ("UpstreamOperationalDisconnect", .reconnect),
        ("UpstreamUncleanDisconnect", .reconnect), ("InternalError", .reconnect), ("PackageUpgraded", .reconnect),
        ("PackageDowngraded", .reconnect), ("SlowReader", .reconnectWithAlarm),
        ("ForceDisconnect", .reconnectWithAlarm), ("ClientApplicationStateDegraded", .waitForAccount),
        ("InvalidRules", .checkRules), ("SomethingNew", .reconnectSlowly),
    ])
    func everyDisconnectTypeHasItsReaction(type: String, reaction: ControlReaction) {
        let problem =
            #"{"title":"operational-disconnect","disconnect_type":"\#(type)","detail":"d","type":"https://api.x.com/2/problems/operational-disconnect"}"#
        for text in [problem, #"{"errors":[\#(problem)]}"#] {
            #expect(message(text) == .control(StreamControl(cause: type, detail: "d", reaction: reaction)))
        }
    }

    @Test func connectionIssuesAndProblemsWithoutPost() {
        let issue = { (name: String) in #"{"title":"ConnectionException","connection_issue":"\#(name)"}"# }
        #expect(reaction(issue("TooManyConnections")) == .waitForOtherConnection)
        #expect(reaction(issue("RulesInvalidIssue")) == .checkRules)
        #expect(reaction(#"{"title":"operational-disconnect","type":"x/operational-disconnect"}"#) == .reconnect)
        #expect(reaction(#"{"errors":[{"title":"Not Found Error","type":"x/resource-not-found"}]}"#) == .goOn)
        #expect(reaction(#"{"errors":[{"title":"Strange"}]}"#) == .reconnectSlowly)
    }

    @Test func whatXSaysIsShownWithoutSecrets() {
        Redaction.remember("AAAA-canary-token")
        let body = #"{"title":"Unauthorized","detail":"token AAAA-canary-token of @jack is wrong"}"#
        let problem = Problem(status: 401, body: Array(body.utf8))
        #expect(problem.detail == "token *** of @jack is wrong")
    }
}
