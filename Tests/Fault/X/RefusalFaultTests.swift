import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import XAPI

/// F7–F13, F26: answers that are not the stream.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RefusalFaultTests {
    /// The pauses between the attempts so far.
    private func pauses(_ run: PipelineRun) -> [Duration] {
        let attempts = run.x.attempts
        return zip(attempts, attempts.dropFirst()).map { Duration.between($0, $1) }
    }

    /// The waits announced are those of the ladder, up to a quarter longer by chance, and they were waited out.
    private func expect(_ run: PipelineRun, _ cause: String, _ pauses: [Duration], _ ladder: [Double]) {
        let waits = run.waits(cause)
        #expect(waits.count == ladder.count && pauses.count == ladder.count)
        for (wait, (pause, seconds)) in zip(waits, zip(pauses, ladder)) {
            // Announced in tenths of a second; the simulator's clock has milliseconds.
            #expect(wait >= .seconds(seconds - 0.1) && wait <= .seconds(seconds * 1.25))
            #expect(pause >= .seconds(seconds - 0.01))
        }
    }

    @Test func f07RateLimitIsWaitedOutToItsReset() async throws {
        try await PipelineRun.with(losesWhileAway: true, startsProducer: false) { run in
            var refusal = Refusal.rateLimit
            let reset = Timestamp.now().milliseconds / 1000 + 4
            refusal.headers = [
                "x-rate-limit-limit": "50", "x-rate-limit-remaining": "0", "x-rate-limit-reset": "\(reset)",
            ]
            run.x.inject(Fault(.refuse, endpoint: "stream", answer: refusal))
            try run.pipeline.start(.producer)
            try await run.expect("the stream") { run.x.connections.count == 1 }
            // Not before the reset, and little after it: a second, a quarter of one by chance, and as the time is told by the
            // answer's Date, which has whole seconds and is renewed once a second, another one.
            #expect(run.x.connections[0].startedAt.milliseconds >= reset * 1000)
            #expect(try #require(run.waits("rate_limit").first) <= .milliseconds(6400))
            #expect(run.x.attempts.count == 2)
            try await run.expectConserved()
        }
    }

    @Test func f08RateLimitsWithoutAResetClimbTheirLadder() async throws {
        try await PipelineRun.with(
            ["X_BACKOFF_SCALE": "0.005", "LOG_LEVEL": "debug"], losesWhileAway: true, startsProducer: false
        ) { run in
            run.x.inject(Fault(.refuse, count: 4, bare: true, endpoint: "stream", answer: .rateLimit))
            try run.pipeline.start(.producer)
            try await run.expect("the stream") { run.x.connections.count == 1 }
            // 60 s, doubled each time, and up to a quarter more by chance; all of it shortened.
            expect(run, "rate_limit", pauses(run), [0.3, 0.6, 1.2, 2.4])
            #expect(run.x.attempts.count == 5)
            try await run.expectConserved()
        }
    }

    @Test func f10CapsAndCreditsStopItWithOneAlarmAndASlowLook() async throws {
        try await PipelineRun.with(["X_BACKOFF_SCALE": "0.001"], losesWhileAway: true) { run in
            try await run.expect("posts") { run.x.issuedCount > 20 }
            let depleted = Refusal(
                status: 402, body: #"{"title":"CreditsDepleted","type":"https://api.twitter.com/2/problems/credits"}"#)
            let spent = Refusal(status: 403, body: #"{"title":"SpendCapReached"}"#)
            for refusal in [Refusal.usageCap, .creditsDepleted, depleted, spent] {
                run.x.inject(Fault(.refuse, count: 2, endpoint: "stream", answer: refusal))
            }
            run.x.inject(Fault(.close))
            try await run.expect("the stream") { run.x.connections.count == 2 }
            // Ten minutes each time, shortened to 0.6 s; the first attempt came after a good connection, so at once.
            #expect(pauses(run).suffix(8).allSatisfy { $0 >= .milliseconds(590) })
            // The same cause is told once: the cap, and three ways to have no credits that differ by status.
            #expect(run.lines("cannot read the stream", "\"level\":\"error\"").count == 3)
            try await run.expectConserved()
            let events = "SELECT cause FROM stream_events WHERE type = 'connect_failed' ORDER BY id"
            try await run.expect(events, ["usage_cap", "no_credits", "no_credits"])
        }
    }

    @Test(arguments: [Refusal.unauthorized, .forbidden])
    func f11RefusedTokenIsReadAgainFromItsFile(_ refusal: Refusal) async throws {
        let folder = try TemporaryFolder()
        try folder.write("token-one\n", to: "token")
        let settings = ["X_BEARER_TOKEN": "", "X_BEARER_TOKEN_FILE": folder.path + "/token", "X_BACKOFF_SCALE": "0.2"]
        try await PipelineRun.with(settings, losesWhileAway: true, x: { $0.bearerToken = "token-one" }) { run in
            try await run.expect("posts") { run.x.issuedCount > 20 }
            if refusal == .unauthorized {
                run.x.bearerToken = "token-two"
            } else {
                run.x.inject(Fault(.refuse, count: 100, endpoint: "stream", answer: refusal))
            }
            run.x.inject(Fault(.close))
            try await run.expect("two refusals") { run.x.refusals[refusal.status] ?? 0 > 1 }
            // A ladder of 1 s, 2 s, …: no hot loop. The first of them comes at once, after a good connection.
            #expect(pauses(run).dropFirst().allSatisfy { $0 >= .milliseconds(990) })
            run.x.bearerToken = "token-two"
            run.x.clearFaults()
            try folder.write("token-two\n", to: "token")
            try await run.expectConserved()
            #expect(!run.log.contains("token-"))
        }
    }

    @Test func f12MissingRulesAreMadeThoseOfTheFile() async throws {
        let folder = try TemporaryFolder()
        try folder.write("- value: coffee\n  tag: drinks\n", to: "rules.yaml")
        try await PipelineRun.with(["X_RULES_FILE": folder.path + "/rules.yaml"], losesWhileAway: true, rules: []) {
            run in
            try await run.expect("the stream") { run.x.connections.count == 1 }
            #expect(run.x.refusals == [409: 1])
            #expect(run.x.ruleHistory.last?.map(\.value) == ["coffee"])
            try await run.expectConserved()
        }
    }

    /// The limit for a body is 64 KiB; the whole process may need 16 MiB more than before.
    @Test func f13ServerErrorsClimbTheLadderWhateverTheirBody() async throws {
        try await PipelineRun.with(["X_BACKOFF_SCALE": "0.05"], losesWhileAway: true) { run in
            // What any producer needs that publishes is not counted.
            try await run.expect("tweets") { try run.pipeline.query("SELECT count(*) > 50 FROM tweets") == "t" }
            let before = try run.producer.memory("VmHWM")
            var huge = Refusal.serverError(503)
            huge.filler = 50 << 20
            for refusal in [Refusal.serverError(500), Refusal(status: 502, body: ""), huge] {
                run.x.inject(Fault(.refuse, endpoint: "stream", answer: refusal))
            }
            run.x.inject(Fault(.close))
            try await run.expect("the stream") { run.x.connections.count == 2 }
            // 5 s, 10 s, 20 s, shortened; each up to a quarter longer.
            expect(run, "server_error", pauses(run).suffix(3), [0.25, 0.5, 1])
            #expect(try isSanitized || run.producer.memory("VmHWM") - before < 16 << 20)
            try await run.expectConserved()
        }
    }

    @Test func f26HeaderThatTricklesIsGivenUp() async throws {
        #expect(XSettings(url: "http://x", token: .value(Secret("t"))).connectTimeout == .seconds(10))
        try await PipelineRun.with(["X_CONNECT_TIMEOUT": "1s"], losesWhileAway: true) { run in
            try await run.expect("posts") { run.x.issuedCount > 20 }
            let before = run.x.connections.count
            run.x.inject(Fault(.slowHeader, seconds: 0.2))
            run.x.inject(Fault(.silence))
            run.x.inject(Fault(.close))
            try await run.expect("the stream") { run.x.connections.count > before }
            // The client's second begins before the simulator has noted the attempt.
            #expect(pauses(run).suffix(2).allSatisfy { $0 >= .milliseconds(300) && $0 < .seconds(15) })
            #expect(!run.lines("\"cause\":\"timeout\"", "X_CONNECT_TIMEOUT").isEmpty)
            try await run.expectConserved()
        }
    }
}
