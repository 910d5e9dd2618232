import Core
import FoundationEssentials

/// `MANIFEST.json` of an export: what was asked, what came of it, and what is missing in it.
///
/// It is written last, so an export that has it is complete.
struct ExportManifest: Report {
    /// What was asked, as the command read it.
    struct Arguments: Encodable, Sendable {
        let since: String?
        let until: String?
        let rules: [String]
        let streams: [String]
        let languages: [String]
        let kinds: [ExportKind]
        let includesReferenced: Bool
        let format: ExportFormat
        let columns: [String]?
        let newlines: NewlineForm?
        let redaction: Redaction?
        let isForSpreadsheets: Bool

        init(_ request: ExportRequest) {
            let (selection, table) = (request.selection, request.format == .csv ? request.table : nil)
            (since, until) = (selection.since?.description, selection.until?.description)
            (rules, streams, languages) = (selection.rules, selection.streams, selection.languages)
            kinds = ExportKind.allCases.filter(selection.kinds.contains)
            (includesReferenced, format) = (selection.includesReferenced, request.format)
            (columns, newlines) = (table?.columns.map(\.name), table?.newlines)
            (redaction, isForSpreadsheets) = (table?.redaction, table?.isForSpreadsheets ?? false)
        }
    }

    let program = "tweet-pipeline \(productVersion)"
    /// When the snapshot was taken: what was committed later is not in the export.
    let snapshotAt: String
    let arguments: Arguments
    let tweets: Int64
    let files: [ExportedFile]
    let facts: ExportFacts
    /// Why there are no tweets; nil when there are some.
    var emptyBecause: String?

    enum CodingKeys: String, CodingKey {
        case program, snapshotAt, arguments, tweets, files, rules, gaps, holes, rejects, emptyBecause
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(program, forKey: .program)
        try container.encode(snapshotAt, forKey: .snapshotAt)
        try container.encode(arguments, forKey: .arguments)
        try container.encode(tweets, forKey: .tweets)
        try container.encode(files, forKey: .files)
        try container.encode(facts.rules, forKey: .rules)
        try container.encode(facts.gaps, forKey: .gaps)
        try container.encode(facts.holes, forKey: .holes)
        try container.encode(facts.rejects, forKey: .rejects)
        try container.encodeIfPresent(emptyBecause, forKey: .emptyBecause)
    }

    func text(on terminal: Terminal?) -> String {
        var lines = [counted(tweets, "tweet") + (emptyBecause.map { ": \($0)" } ?? "")]
        lines += files.map { "\($0.name): \(counted($0.tweets, "tweet")), \(groupedDigits($0.bytes)) bytes" }
        if facts.gaps.isEmpty {
            lines.append("no gap overlaps the window")
        } else {
            lines.append(
                "\(counted(facts.gaps.count, "gap")) in the window, \(facts.incompleteGaps) not filled exactly")
        }
        if !facts.holes.isEmpty {
            lines.append("\(counted(facts.holes.count, "hole")) in Kafka, see docs/operations.md")
        }
        if facts.rejects > 0 { lines.append("\(counted(facts.rejects, "message")) became rejects, not tweets") }
        return lines.joined(separator: "\n")
    }
}
