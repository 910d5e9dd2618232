/// What a service exports: the list that `metrics` prints.
package struct MetricsReport: Report {
    /// One family.
    package struct Row: Encodable, Sendable {
        package let name: String
        package let type: String
        package let unit: String?
        package let labels: [String]
        package let help: String
    }

    package let metrics: [Row]

    /// - Parameter registry: of the service.
    package init(_ registry: MetricsRegistry) {
        metrics = registry.families.map { family in
            Row(
                name: family.sampleName, type: family.kind.rawValue, unit: family.unit?.rawValue, labels: family.labels,
                help: family.help)
        }
    }

    package func text(on terminal: Terminal?) -> String {
        let rows = metrics.map { [$0.name, $0.type, $0.labels.joined(separator: ","), $0.help] }
        return FittingTable(header: ["NAME", "TYPE", "LABELS", "MEANING"], rows: rows).text(on: terminal)
    }

    /// The table of `docs/metrics.md`.
    package var markdown: String {
        let rows = metrics.map { row in
            let labels = row.labels.map { "`\($0)`" }.joined(separator: ", ")
            return "| `\(row.name)` | \(row.type) | \(labels) | \(row.help.replacing("|", with: "\\|")) |"
        }
        return (["| metric | type | labels | meaning |", "|---|---|---|---|"] + rows).joined(separator: "\n")
    }
}
