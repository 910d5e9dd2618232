import Core
import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// Debian's Prometheus scrapes a running pipeline with the alerts and the queries of the dashboard.
@Suite(.serialized, .timeLimit(.minutes(5))) struct PrometheusTests {
    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct Target: Decodable { let expr: String }
            let title: String
            let targets: [Target]?
        }
        let panels: [Panel]
    }

    /// The files of `deploy/prometheus`, with the addresses of a test and shorter intervals.
    private func configure(_ folder: TemporaryFolder, _ producer: String, _ loader: String) throws {
        let source = repository.path + "/deploy/prometheus/"
        let text = try readTextFile(source + "prometheus.yml").replacing("localhost:9464", with: producer)
            .replacing("localhost:9465", with: loader).replacing("scrape_interval: 15s", with: "scrape_interval: 1s")
            .replacing("evaluation_interval: 30s", with: "evaluation_interval: 1s")
        try folder.write(text, to: "prometheus.yml")
        try folder.write(try readTextFile(source + "tweet-pipeline.rules.yml"), to: "tweet-pipeline.rules.yml")
    }

    @Test(.enabled(if: PrometheusServer.isInstalled, "Prometheus is Debian's package prometheus"))
    func everyAlertAndEveryQueryOfTheDashboardWorks() async throws {
        let folder = try TemporaryFolder()
        let (producer, loader) = ("127.0.0.1:\(try freePort())", "127.0.0.1:\(try freePort())")
        try configure(folder, producer, loader)
        var configuration = XSimulator.Configuration()
        configuration.rate = 20
        try await PipelineRun.alone(configuration, settings: ["HEARTBEAT": "1s"]) { run in
            run.x.addRules([("pipeline", "main")])
            try run.pipeline.start(.producer, settings: ["LISTEN": producer])
            try run.pipeline.start(.loader, settings: ["LISTEN": loader])
            let prometheus = try PrometheusServer(folder)
            defer { prometheus.kill() }
            // The numbers of the ledger are read every 30 s.
            try await run.expect("two targets, heartbeats, and the ledger") {
                let targets = try await prometheus.targets()
                let heartbeats = try await prometheus.query("tweet_loader_stream_heartbeat_timestamp_seconds > 0")
                let ledger = try await prometheus.query(
                    "tweet_loader_ledger_missing_lines and on () tweet_loader_gaps_open")
                let isThere = [heartbeats, ledger].allSatisfy { $0?.data?.result.isEmpty == false }
                return targets.count(where: { $0.health == "up" }) == 2 && isThere
            }
            try await expectRules(prometheus)
            try await expectDashboard(prometheus)
        }
    }

    /// Every rule is evaluated without an error, and nothing fires.
    private func expectRules(_ prometheus: PrometheusServer) async throws {
        var rules: [PrometheusServer.Rule] = []
        let areEvaluated = try await holds {
            rules = try await prometheus.rules()
            return rules.count == 20 && rules.allSatisfy { $0.health != "unknown" }
        }
        #expect(areEvaluated)
        for rule in rules {
            #expect(rule.health == "ok", "\(rule.name): \(rule.lastError ?? "")")
            #expect(rule.state != "firing", "\(rule.name)")
        }
    }

    /// Panels whose queries find nothing in a pipeline that works.
    private static let empty: Set = ["First certificate ends in", "Posts of the billing cycle", "Posts of the day"]

    private func expectDashboard(_ prometheus: PrometheusServer) async throws {
        let file = repository.appending(path: "deploy/grafana/tweet-pipeline.json")
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: Data(contentsOf: file))
        let panels = dashboard.panels.filter { $0.targets != nil }
        #expect(panels.count >= 35)
        for panel in panels {
            var found = 0
            for target in panel.targets ?? [] {
                let expression = target.expr.replacing("$__rate_interval", with: "1m")
                    .replacing("$job", with: ".*").replacing("$instance", with: ".*").replacing("$stream", with: ".*")
                let answer = try await prometheus.query(expression)
                #expect(answer?.status == "success", "\(panel.title): \(answer?.error ?? "no answer") in \(expression)")
                found += answer?.data?.result.count ?? 0
            }
            // What is counted over a minute needs two scrapes, which there are by now.
            #expect(found > 0 || Self.empty.contains(panel.title), "\(panel.title) shows nothing")
        }
    }
}
