import Foundation
import TestSupport
import Testing
import Yams

/// The alerts of `deploy/prometheus`, and what operators find about them.
@Suite(.timeLimit(.minutes(5))) struct AlertTests {
    private let folder = repository.appending(path: "deploy/prometheus")

    private struct File: Decodable {
        struct Group: Decodable {
            let rules: [Rule]
        }
        struct Rule: Decodable {
            let alert: String?
            let expr: String
            let labels: [String: String]?
            let annotations: [String: String]?
        }
        let groups: [Group]
    }

    private func alerts() throws -> [File.Rule] {
        let text = try String(contentsOf: folder.appending(path: "tweet-pipeline.rules.yml"), encoding: .utf8)
        return try YAMLDecoder().decode(File.self, from: text).groups.flatMap(\.rules).filter { $0.alert != nil }
    }

    @Test func eachAlertHasASeverityARunbookAndATest() throws {
        let alerts = try alerts()
        #expect(alerts.count == 18)
        let tests = try ["tweet-pipeline.test.yml", "tweet-pipeline.days.test.yml"]
            .map { try String(contentsOf: folder.appending(path: $0), encoding: .utf8) }.joined()
        let operations = try String(contentsOf: repository.appending(path: "docs/operations.md"), encoding: .utf8)
        for alert in alerts {
            let name = try #require(alert.alert)
            #expect(["page", "ticket"].contains(alert.labels?["severity"]), "\(name)")
            #expect(alert.annotations?["runbook"] == "docs/operations.md#\(name.lowercased())")
            let section = try #require(operations.firstRange(of: "\n### \(name)\n"), "no section for \(name)")
            let body = operations[section.upperBound...].prefix(while: { $0 != "#" })
            #expect(body.count > 150, "the section of \(name) says too little")
            // Once without a fault, once before its time, and once when it fires.
            #expect(tests.components(separatedBy: "alertname: \(name)\n").count == 2, "\(name) fires in no test")
            #expect(tests.components(separatedBy: "alertname: \(name),").count >= 4, "\(name)")
        }
        for match in operations.matches(of: /\n### (Tweet\w+)\n/) {
            #expect(alerts.contains { $0.alert == String(match.1) }, "\(match.1) is no alert")
        }
    }
}
