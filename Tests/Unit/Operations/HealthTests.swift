import Core
import FoundationEssentials
import TestSupport
import Testing

@testable import Operations

/// What `/healthz` answers, and how a verdict is made.
@Suite(.timeLimit(.minutes(5))) struct HealthTests {
    private let now = Timestamp(milliseconds: 1_800_000_000_000)

    private func aged(_ seconds: Int64?, _ limits: HealthLimits = HealthLimits()) -> HealthCheck {
        HealthCheck(
            "kafka", since: seconds.map { now.advanced(by: .seconds(-$0)) }, at: now, limits,
            detail: { "behind by \($0)" },
            remedy: "look")
    }

    private func endpoints(_ checks: [HealthCheck], _ health: ServiceHealth = ServiceHealth()) -> OperationsEndpoints {
        OperationsEndpoints(service: "tweet-x", registry: MetricsRegistry(prefix: "p"), health: health) { _ in checks }
    }

    private func answer(
        _ checks: [HealthCheck], _ path: String = "/healthz", asked: [String] = []
    ) -> OperationsEndpoints.Answer {
        endpoints(checks).answer(.init(path: path, checks: asked, host: "localhost"), isLoopback: true, token: nil)
    }

    @Test func anAgeIsJudgedByTwoLimits() {
        #expect(aged(nil).status == .ok && aged(nil).value == 0 && aged(nil).since == nil && aged(nil).remedy == nil)
        #expect(aged(45).status == .ok && aged(45).detail == "behind by 45 s")
        #expect(aged(46).status == .degraded && aged(300).status == .degraded)
        let failing = aged(301)
        #expect(failing.status == .failing && failing.value == 301 && failing.limit == 45 && failing.remedy == "look")
        #expect(failing.since == now.advanced(by: .seconds(-301)).description)
        // A clock that was set back makes nothing older than it is.
        #expect(aged(-1000).status == .ok && aged(-1000).value == 0)
        #expect(aged(1_000_000, .degraded(after: .seconds(10))).status == .degraded)
    }

    @Test func theVerdictIsThatOfTheWorstCheck() throws {
        #expect(answer([]).status == 200)
        let degraded = answer([.ok("stream", "connected"), aged(100)])
        #expect(degraded.status == 200 && degraded.body.contains("\"status\" : \"degraded\""))
        let failing = answer([aged(100), aged(400)])
        #expect(failing.status == 503 && failing.contentType == "application/json")
        let report = try #require(HealthReport(json: failing.body))
        #expect(report.status == .failing && report.service == "tweet-x")
        #expect(
            report.checks == [aged(100), aged(400), .ok("start", "started"), .ok("threads", "every thread responds")])
        // Only what is asked for.
        #expect(answer([aged(400), .ok("stream", "connected")], asked: ["stream"]).status == 200)
        #expect(answer([aged(400), .ok("stream", "connected")], asked: ["stream", "kafka"]).status == 503)
        #expect(answer([aged(400)], "/status").body.contains("\"status\" : \"failing\""))
    }

    @Test func aStartThatIsNotFinishedIsShown() {
        let health = ServiceHealth(startsWith: ["journal"])
        let report = endpoints([], health).report()
        #expect(report.status == .degraded && report.headline == "waiting for: journal")
        health.done("journal")
        #expect(endpoints([], health).report().status == .ok)
    }

    @Test func oneLineForPeopleAndMonitors() {
        let works = HealthReport(
            service: "tweet-x", checks: [.ok("stream", "connected"), aged(3), .ok("room", "90 % is free")])
        #expect(works.headline == "connected; behind by 3 s")
        #expect(works.pluginLine == "tweet-x OK - connected; behind by 3 s | kafka=3s")
        let fails = HealthReport(service: "tweet-x", checks: [.ok("stream", "a"), aged(400)])
        #expect(fails.pluginLine == "tweet-x CRITICAL - behind by 6 min | kafka=400s")
        #expect(fails.text.contains("look"))
    }

    /// A combining mark behind a character that HTML needs is one `Character` with it.
    @Test(arguments: ["<b>&\"'", "\"\u{301} onmouseover=\"x", "<\u{338}script>", "\u{202E}\u{0}"])
    func f95ThePageHasNoElementThatItsTextsMake(text: String) {
        let page = answer([HealthCheck(name: "stream", status: .failing, detail: text, remedy: text)], "/")
        #expect(page.status == 200 && page.contentType == "text/html; charset=utf-8")
        #expect(page.fields["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'")
        let shown = StatusPage.escaped(text)
        #expect(
            !shown.utf8.contains {
                [UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""), UInt8(ascii: "'")].contains($0)
            })
        #expect(
            page.body.utf8.count { $0 == UInt8(ascii: "<") }
                == answer([HealthCheck(name: "stream", status: .failing, detail: "", remedy: "")], "/").body.utf8.count
            { $0 == UInt8(ascii: "<") })
    }

    @Test func limitsAreSettings() throws {
        func read(_ environment: [String: String]) throws -> (HealthLimits, [String]) {
            var reader = try SettingsReader(
                flags: [:], known: [HealthLimits.degradedSetting, HealthLimits.failingSetting], environment: environment
            )
            return (HealthLimits.read(&reader), reader.mistakes)
        }
        #expect(try read([:]) == (HealthLimits(degraded: .seconds(45), failing: .seconds(300)), []))
        #expect(try read(["HEALTH_DEGRADED_AFTER": "1m"]).0.degraded == .seconds(60))
        for wrong in ["6m", "100ms"] {
            #expect(try read(["HEALTH_DEGRADED_AFTER": wrong]).1.first?.contains("must be at least 1s") == true)
        }
    }
}
