import Core
import Foundation
import Testing

@testable import Sandbox

@Suite("Report of the benchmark", .timeLimit(.minutes(5)))
struct BenchReportTests {
    private let report = BenchReport(
        command: "sandbox bench",
        figures: [
            Figure("rate", 1200.4, "lines/s", "lines", atLeast: 1000), Figure(absent: "peer", "the peer: no Python"),
        ])

    @Test("has the envelope of every command, and names in lower case with underscores")
    func envelope() throws {
        let data = Data(report.json(isCompact: true).utf8)
        let found = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(found["version"] as? Int == 1)
        #expect(Set(found.keys) == ["version", "machine", "command", "finished_at", "figures"])
        #expect(
            Set((found["machine"] as? [String: Any] ?? [:]).keys) == ["processor", "cores", "memory_gib", "kernel"])
        let figures = try #require(found["figures"] as? [[String: Any]])
        #expect(figures[0]["at_least"] as? Double == 1000 && figures[0]["is_met"] as? Bool == true)
        #expect(figures[1]["name"] as? String == "peer" && figures[1]["value"] == nil)
    }

    @Test("what was divided by nothing was not measured", arguments: [Double.infinity, .nan])
    func noNumber(_ value: Double) {
        let figure = Figure("rate", value, "lines/s", "lines", atLeast: 1000)
        #expect(figure.value == nil && figure.isMet == nil && figure.text == "not measured" && figure.bar == "")
    }

    @Test("is a table for people, cut to the terminal")
    func table() {
        let lines = report.text.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("lines") && $0.contains("1200") && $0.hasSuffix("≥ 1000 ok") })
        let narrow = report.text(on: Terminal(columns: 20)).split(separator: "\n").map(String.init)
        #expect(narrow.count == 4 && narrow[1...].allSatisfy { $0.count <= 20 }, "\(narrow)")
    }
}
