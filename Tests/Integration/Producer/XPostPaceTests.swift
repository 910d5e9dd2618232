import Glibc
import Harness
import TestSupport
import Testing

@testable import Core
@testable import TweetProducer
@testable import XAPI

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct XPostPaceTests {
    private let start = Timestamp(milliseconds: 1_700_006_400_000)

    /// Ten days in minutes, the nights at a twentieth; then as `after` says.
    private func pace(after minutes: Int, _ posts: (Int) -> Int64) -> [PostPace.Finding] {
        var pace = PostPace()
        var now = start
        var findings: [PostPace.Finding] = []
        func take(_ posts: Int64) {
            now = now.advanced(by: .seconds(60))
            let result = pace.take(posts: posts, over: .seconds(60), at: now, shortest: .seconds(300))
            if let finding = result.finding { findings.append(finding) }
        }
        for minute in 0..<14_400 { take(minute % 1440 < 480 ? 5 : 100) }
        #expect(findings.isEmpty)
        for minute in 0..<minutes { take(posts(minute)) }
        return findings
    }

    @Test func nightsAreNoAlarmAndSilenceIs() {
        // From midnight on 5 a minute are usual, so silence shows within minutes, and is told once.
        let findings = pace(after: 400) { _ in 0 }
        #expect(findings.count == 1)
        guard case .quiet(0, let usual, let over)? = findings.first else {
            Issue.record("silence was not told")
            return
        }
        #expect((30...40).contains(usual) && over >= .seconds(300) && over <= .seconds(600))
    }

    @Test func aTrickleIsTooQuietAndTheEndIsTold() {
        let findings = pace(after: 700) { $0 < 480 ? 5 : $0 < 600 ? 3 : 100 }
        #expect(findings.count == 2)
        guard case .quiet(let few, let usual, _)? = findings.first, case .lively(let many, _, _)? = findings.last else {
            Issue.record("too quiet and lively again were to be told: \(findings)")
            return
        }
        #expect(Double(few) < 0.1 * Double(usual) && Double(few) > 0)
        #expect(many > few)
    }

    @Test func nothingIsSaidBeforeEnoughIsLearned() {
        var pace = PostPace()
        for minute in 0..<59 {
            let posts: Int64 = minute < 30 ? 100 : 0
            let now = start.advanced(by: .seconds(60 * minute))
            #expect(pace.take(posts: posts, over: .seconds(60), at: now, shortest: .seconds(300)).finding == nil)
        }
    }

    @Test func anAliveButSilentStreamIsToldAndKept() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            // The rates are what is judged: 4 s at 200 posts a second, then only keep-alives, then posts again.
            for round in 0..<400 {
                connection.send("{\"data\":{\"id\":\"\(round)\"}}\r\n{\"data\":{\"id\":\"\(round)\"}}\r\n")
                endure(.milliseconds(10))
            }
            for _ in 0..<15 {
                connection.send("\r\n")
                endure(.milliseconds(100))
            }
            while connection.send(Array("{\"data\":{\"id\":\"9\"}}\r\n".utf8)) { endure(.milliseconds(5)) }
        }
        defer { server.close() }
        var settings = StreamSettings.test(server.url)
        settings.quietAfter = .milliseconds(200)
        let run = try StreamRun(settings)
        #expect(run.log.wait { $0.message == "the stream delivers posts at the usual rate again" })
        _ = run.finish()
        #expect(server.requests.count == 1)
        let events = try run.events()
        // A busy machine may make it quiet more often.
        #expect(events.map(\.type).prefix(3) == [.connected, .quiet, .lively] && events.last?.type == .disconnected)
        #expect(events[1].lines.map { $0 < 100 } == true && events[1].connection == events[0].connection)
        #expect(run.log.lines.contains { $0.level == .error && $0.message.contains("far fewer posts than usual") })
    }
}
