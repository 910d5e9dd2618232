import Core
import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// Each alert of `deploy/prometheus` fires under its fault, in Debian's Prometheus that scrapes the running services, and none fires on a
/// pipeline that works and whose X is silent. `ALERT_FAULTS=1` runs it; it takes some minutes. `ALERT_FAULTS=TweetRejects` causes the faults of
/// that alert alone.
@Suite(.serialized, .timeLimit(.minutes(20))) struct AlertFaultTests {
    private static let wanted = ProcessInfo.processInfo.environment["ALERT_FAULTS"]
    private static let canRun = PrometheusServer.isInstalled && getuid() == 0 && !Broker.isReal

    /// The loader and the poller read what they publish every 10 s, and show a fault a little after its end.
    private static let aftermath = Duration.seconds(12)

    @Test("the table has a fault for each alert, and the durations of all can be shortened")
    func theTableIsComplete() throws {
        let rules = try ShortenedRules.text()
        let names = rules.matches(of: /- alert: (\w+)\n/).map { String($0.1) }
        #expect(names.count == 18)
        #expect(Set(names) == Set(AlertFault.all.flatMap(\.fires).map(\.name)))
        for name in AlertFault.all.flatMap(\.mayFire) { #expect(names.contains(name), "\(name)") }
    }

    @Test(
        .enabled(if: wanted != nil, "a measurement of minutes (ALERT_FAULTS=1)"),
        .enabled(if: canRun, "needs Debian's package prometheus, root (a small disk), and a broker that can be frozen"))
    func f101EachAlertFiresUnderItsFaultAndNoneWithoutOne() async throws {
        try await AlertScene.with { scene in
            try await expectSilence(scene)
            scene.run.x.setRate(AlertScene.rate)
            let faults = AlertFault.all.filter { fault in
                Self.wanted == "1" || fault.fires.contains { $0.name == Self.wanted }
            }
            #expect(!faults.isEmpty)
            for fault in faults {
                guard try await isShown(fault, scene) else { return }
            }
        }
    }

    /// A pipeline that works, and an X that sends keep-alives alone.
    private func expectSilence(_ scene: AlertScene) async throws {
        // Until the services answered, they were down.
        #expect(try await holds { try await scene.firing().isEmpty })
        let begin = ContinuousClock.now
        try await endure(.seconds(40))
        let rules = try await scene.prometheus.rules()
        #expect(rules.count == 20)
        for rule in rules { #expect(rule.health == "ok", "\(rule.name): \(rule.lastError ?? "")") }
        let fired = try await scene.fired(since: begin)
        #expect(fired.isEmpty, "\(fired.sorted())\n\(scene.logs)")
    }

    /// Causes a fault until its alerts fire, and undoes it until none fires.
    ///
    /// - Returns: false when the next fault would show nothing, because something still fires.
    private func isShown(_ fault: AlertFault, _ scene: AlertScene) async throws -> Bool {
        let begin = ContinuousClock.now
        try await fault.cause(scene)
        var (firing, calm): ([PrometheusServer.Rule.Alert], ContinuousClock.Instant?) = ([], nil)
        let isFiring = try await holds(within: .seconds(120)) {
            firing = try await scene.firing()
            return fault.fires.allSatisfy { wanted in firing.contains { wanted.isMet(by: $0) } }
        }
        let names = firing.map { $0.labels["alertname"] ?? "" }
        #expect(isFiring, "\(fault.name): fires \(names)\n\(scene.logs)")
        for alert in firing {
            #expect(alert.annotations["summary"]?.contains("error") == false, "\(alert.annotations)")
        }
        let others = try await scene.fired(since: begin).subtracting(fault.fires.map(\.name) + fault.mayFire)
        #expect(others.isEmpty, "\(fault.name): fires as well \(others.sorted())\n\(scene.logs)")
        let shown = begin.duration(to: .now)
        try await fault.undo(scene)
        let isOver = try await holds(within: .seconds(180)) {
            firing = try await scene.firing()
            calm = firing.isEmpty ? calm ?? .now : nil
            return calm.map { $0.duration(to: .now) > Self.aftermath } ?? false
        }
        #expect(isOver, "\(fault.name) is over, and fires \(firing.map(\.labels))\n\(scene.logs)")
        print("\(fault.name): \(names.sorted()) after \(shown.short), over after \(begin.duration(to: .now).short)")
        return isOver
    }
}

extension AlertScene {
    /// The alerts that fire now.
    fileprivate func firing() async throws -> [PrometheusServer.Rule.Alert] {
        let rules = try await prometheus.rules()
        // Without an answer nothing is known.
        guard !rules.isEmpty else { throw Failure(.unavailable, "Prometheus does not answer") }
        return rules.flatMap { $0.alerts ?? [] }.filter { $0.state == "firing" }
    }

    /// The alerts that have fired at any time since then.
    fileprivate func fired(since begin: ContinuousClock.Instant) async throws -> Set<String> {
        let seconds = max(1, Int(begin.duration(to: .now) / .seconds(1)))
        let answer = try await prometheus.query(#"last_over_time(ALERTS{alertstate="firing"}[\#(seconds)s])"#)
        guard let series = answer?.data?.result else { throw Failure(.unavailable, "Prometheus does not answer") }
        return Set(series.compactMap { $0.metric["alertname"] })
    }
}
