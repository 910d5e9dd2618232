import Foundation
import TestSupport
import Testing

@testable import Core
@testable import TweetLoader
@testable import TweetProducer
@testable import TweetTimelines

/// The metrics of both services: well named, documented from their declarations, and no others in the documents.
@Suite(.timeLimit(.minutes(5))) struct MetricsTableTests {
    private static let registries = [
        ("tweet-producer", ProducerMetrics().registry), ("tweet-loader", LoaderMetrics().registry),
        ("tweet-timelines", TimelineMetrics().registry),
    ]
    private static let families = registries.flatMap { $0.1.families }

    @Test func namesAndHelpFollowTheRules() {
        #expect(Self.families.count > 80)
        for (service, registry) in Self.registries {
            let names = registry.families.map(\.name)
            #expect(Set(names).count == names.count)
            let prefix = service.replacing("-", with: "_") + "_"
            for family in registry.families {
                let name = family.name
                #expect(name.hasPrefix(prefix) || name.hasPrefix("process_"), "\(name)")
                #expect(name.wholeMatch(of: /[a-z][a-z0-9_]*/) != nil, "\(name)")
                if let unit = family.unit { #expect(name.hasSuffix("_" + unit.rawValue), "\(name)") }
                for unit in ["_seconds", "_bytes", "_dollars"] where name.hasSuffix(unit) {
                    #expect(family.unit?.rawValue == String(unit.dropFirst()), "\(name)")
                }
                #expect(!name.hasSuffix("_total") && !name.hasSuffix("_info") && !name.hasSuffix("_count"), "\(name)")
                #expect(family.help.hasSuffix(".") && !family.help.contains("\n"), "\(name)")
                #expect(family.labels.allSatisfy { $0.wholeMatch(of: /[a-z_]+/) != nil && $0 != "le" }, "\(name)")
                #expect(
                    family.bounds == family.bounds.sorted() && (family.kind == .histogram) == !family.bounds.isEmpty)
            }
        }
    }

    @Test("a counter exists for each value of a label, and so does a gauge, before anything was counted")
    func everySeriesIsThereFromTheStart() {
        let text = Self.registries.map { $0.1.text(.prometheus) }.joined()
        let foundAtRunTime: Set = [
            "loop_last_beat_timestamp_seconds", "partition_lag_messages", "partition_next_offset",
            "partition_oldest_unsettled_timestamp_seconds",
            "ledger_last_seq", "ledger_unsettled_lines", "ledger_missing_lines", "gaps_open",
            "stream_heartbeat_timestamp_seconds", "stream_heartbeat_delay_seconds", "stream_connected",
        ]
        for family in Self.families {
            let isFound = foundAtRunTime.contains {
                family.name.hasSuffix("tweet_loader_\($0)") || family.name.hasSuffix("_loop_\($0.dropFirst(5))")
            }
            guard !isFound else { continue }
            for name in family.sampleNames { #expect(text.contains("\n\(name)"), "\(name)") }
        }
    }

    @Test func theDocumentIsThatOfTheDeclarations() throws {
        let file = repository.appending(path: "docs/metrics.md")
        let wanted = Self.registries.map { service, registry in
            "## \(service)\n\n\(MetricsReport(registry).markdown)"
        }.joined(separator: "\n\n")
        let text = try String(contentsOf: file, encoding: .utf8)
        let mark = "<!-- Made from the declarations: make metrics-doc -->"
        let head = try #require(text.firstRange(of: mark), "\(mark) is missing in docs/metrics.md")
        let expected = text[..<head.upperBound] + "\n\n" + wanted + "\n"
        if ProcessInfo.processInfo.environment["WRITE_METRICS_DOC"] != nil {
            try String(expected).write(to: file, atomically: true, encoding: .utf8)
        } else {
            #expect(text == expected, "run `make metrics-doc`; below the mark the file must be:\n\n\(wanted)")
        }
    }

    @Test("every metric that documents and deploy files name is exported")
    func names() throws {
        let known = Set(Self.families.flatMap { $0.sampleNames + [$0.sampleName] })
        var named = 0
        for folder in ["docs", "deploy", "README.md"] {
            let root = repository.appending(path: folder)
            let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)?.compactMap {
                $0 as? URL
            }
            for file in files ?? [root] {
                guard let text = try? String(contentsOf: file, encoding: .utf8) else { continue }
                for match in text.matches(of: /\b(?:tweet_(?:producer|loader|timelines)|process)_[a-z0-9_]+/) {
                    named += 1
                    #expect(known.contains(String(match.0)), "\(file.lastPathComponent) names \(match.0)")
                }
            }
        }
        #expect(named > 80, "else this shows nothing")
    }
}
