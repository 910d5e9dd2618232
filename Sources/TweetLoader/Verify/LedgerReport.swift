import Core
import FoundationEssentials
import KafkaClient
import Postgres

/// What is known of completeness, as `verify` shows it.
struct LedgerReport: Report {
    /// The one word for it.
    enum Verdict: String, Encodable {
        /// Every line is settled.
        case complete
        /// Lines are on their way to PostgreSQL.
        case pending = "nothing_missing"
        /// Lines, messages or rows are missing for certain.
        case missing
        /// Something could not be checked.
        case unknown
    }

    /// The lines of one journal.
    struct JournalLines: Encodable {
        var stream: String
        var journal: String
        /// The highest number that is known.
        var numbered: Int64
        /// How many numbers are settled as row, event or reject.
        var settled: Int64
        /// How many are neither settled nor missing: `inKafka`, `unpublished` and `onTheWay` together.
        var inFlight: Int64
        /// In Kafka and not settled yet.
        var inKafka: Int64
        /// In the journal and not acknowledged by Kafka; 0 when the journal is not read.
        var unpublished: Int64
        /// Between the journal and the offsets that were read; when something could not be checked, not found.
        var onTheWay: Int64
        var missing: Int64
        var missingNumbers: MissingNumbers
    }

    /// Numbers that are nowhere: `1-4, 7` for people, `[[1,4],[7,7]]` for programs.
    struct MissingNumbers: Encodable, CustomStringConvertible {
        let numbers: RangeSet<Int64>

        var description: String { numbers.listed }

        func encode(to encoder: any Encoder) throws { try numbers.bounds.encode(to: encoder) }
    }

    struct Gap: Encodable {
        var stream: String
        var journal: String
        var startedAt: String
        var endedAt: String?
        var cause: String?
    }

    /// The gaps that are open.
    struct Gaps: Encodable {
        var open: Int64 = 0
        /// How long they are together.
        var seconds: Int64 = 0
        /// Gaps of single journals whose time other journals of the stream have.
        var covered: Int64 = 0
        /// The five that began last.
        var last: [Gap] = []
    }

    /// Messages that Kafka deleted before they were loaded.
    struct Hole: Encodable {
        var topic: String
        var partition: Int64
        var firstOffset: Int64
        /// Number of messages; nil when unknown because Kafka's offsets started over.
        var messages: Int64?
        var foundAt: String
        /// Whether the loader went on behind it.
        var isPassed: Bool

        var place: String { "\(topic)-\(partition)@\(firstOffset)" }
    }

    /// Lines that are settled and are not rows.
    struct Rejected: Encodable {
        /// Kafka rejected the line.
        var kafka: Int64 = 0
        /// PostgreSQL rejected the row.
        var postgresql: Int64 = 0
        /// The line is not a tweet.
        var content: Int64 = 0

        var count: Int64 { kafka + postgresql + content }
    }

    var journals: [JournalLines]
    var rejected: Rejected
    /// Lines that the disk had changed before they were published.
    var damaged: Int64
    var gaps: Gaps
    var holes: [Hole]
    /// The topics and journals that an operator dismissed: nothing of them counts.
    var forgotten: [Dismissals.Entry]
    /// What was found of the messages that Kafka still has; nil when that was not asked.
    var rows: RowCheck?
    /// Messages in Kafka that are not settled; nil when that is not known.
    var lag: Int64?
    /// Messages of other producers among them.
    private var foreign: Int64
    /// What could not be checked, and why.
    private var ledgerProblems: [String]
    /// How long verify waited for pending lines; nil when it did not.
    var waited: Duration?

    init(_ journals: [JournalLines], _ facts: LedgerFacts, lag: Int64, foreign: Int64, problems: [String]) {
        self.journals = journals
        (gaps, holes, rejected, damaged) = (facts.gaps, facts.holes, facts.rejected, facts.damaged)
        forgotten = facts.forgotten
        self.lag = problems.isEmpty ? lag : nil
        self.foreign = foreign
        ledgerProblems = problems
    }

    /// What could not be checked, and why.
    var problems: [String] { ledgerProblems + (rows?.problems ?? []) }

    /// Lines, and messages of other producers, that are on their way to PostgreSQL.
    var pending: Int64 { journals.reduce(foreign) { $0 + $1.inFlight } }

    /// Numbers that are missing for certain.
    var missing: Int64 { journals.reduce(0) { $0 + $1.missing } }

    /// What is missing for certain wins over what could not be checked.
    var verdict: Verdict {
        if missing > 0 || !holes.isEmpty || (rows?.missing ?? 0) > 0 { return .missing }
        if !problems.isEmpty { return .unknown }
        return pending == 0 ? .complete : .pending
    }

    private enum CodingKeys: CodingKey {
        case verdict, pending, missing, journals, rejected, damaged, gaps, holes, rows, lag, problems
        case forgotten
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(verdict, forKey: .verdict)
        try container.encode(problems.isEmpty ? pending : nil, forKey: .pending)
        try container.encode(missing, forKey: .missing)
        try container.encode(journals, forKey: .journals)
        try container.encode(rejected, forKey: .rejected)
        try container.encode(damaged, forKey: .damaged)
        try container.encode(gaps, forKey: .gaps)
        try container.encode(holes, forKey: .holes)
        try container.encode(rows, forKey: .rows)
        try container.encode(lag, forKey: .lag)
        try container.encode(problems, forKey: .problems)
        try container.encode(forgotten, forKey: .forgotten)
    }
}

extension LedgerReport {
    /// A line for each journal and finding; the last one is the verdict.
    func text(on terminal: Terminal?) -> String {
        var lines = journals.map(\.text)
        if journals.isEmpty, problems.isEmpty {
            lines.append("the ledger is empty: nothing with sequence numbers was loaded yet")
        }
        if rejected.count > 0 { lines.append("rejected: \(rejectedText)") }
        if damaged > 0 { lines.append("damaged: \(counted(damaged, "line")) on the producer's disk") }
        lines += gapLines + holeLines
        if let rows { lines.append(rows.text) }
        if !forgotten.isEmpty { lines.append(forgottenText) }
        lines += problems.map { "not checked: \($0)" }
        lines.append(verdictLine)
        return lines.joined(separator: "\n")
    }

    private var forgottenText: String {
        let kinds = ["journal", "topic"].map { kind in (kind, Int64(forgotten.count { $0.kind == kind })) }
        return "forgotten, not counted: "
            + kinds.filter { $0.1 > 0 }.map { counted($0.1, $0.0) }.joined(separator: ", ")
            + " (`tweet-loader forget list`)"
    }

    private var rejectedText: String {
        let parts = [
            (rejected.kafka, "by Kafka"), (rejected.postgresql, "by PostgreSQL"), (rejected.content, "not a tweet"),
        ]
        return parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    }

    private var gapLines: [String] {
        let covered =
            gaps.covered > 0 ? ["gaps: \(gaps.covered) covered by other journals of the stream"] : []
        guard gaps.open > 0 else { return covered }
        let count = "gaps: \(gaps.open) open, \(shortAge(gaps.seconds)) in all"
        return covered + [count + (gaps.open > Int64(gaps.last.count) ? "; the last \(gaps.last.count):" : ":")]
            + gaps.last.map { gap in
                "  \(gap.stream) \(gap.journal) from \(gap.startedAt) to \(gap.endedAt ?? "now")"
                    + " (\(gap.cause ?? "unknown"))"
            }
    }

    private var holeLines: [String] {
        let lines = holes.suffix(5).map { hole in
            let end = hole.messages.map { "\(hole.firstOffset + $0 - 1), \($0) messages" } ?? "the old end, unknown"
            return "hole: \(hole.topic)-\(hole.partition) offsets \(hole.firstOffset) to \(end)"
                + (hole.isPassed ? "" : "; the partition is stopped (--on-hole)")
        }
        return lines + (holes.count > 5 ? ["holes: \(holes.count - 5) more before these"] : [])
    }

    private var verdictLine: String {
        var parts: [String]
        switch verdict {
        case .complete: parts = ["complete"]
        case .pending: parts = ["nothing missing, \(pending) pending"]
        case .missing: parts = ["missing: \(missingText)"]
        case .unknown: parts = ["unknown: not everything could be checked"]
        }
        if verdict == .missing, !problems.isEmpty { parts.append("not everything could be checked") }
        if verdict == .pending, let waited { parts[0] += " after \(waited.short)" }
        if rejected.count > 0 { parts.append("\(rejected.count) rejected (\(rejectedText))") }
        if damaged > 0 { parts.append("\(damaged) damaged") }
        if gaps.open > 0 { parts.append("\(counted(gaps.open, "gap")) open") }
        if !holes.isEmpty, verdict != .missing || missing > 0 {
            parts.append("\(counted(Int64(holes.count), "hole")) in Kafka open")
        }
        return parts.joined(separator: "; ")
    }

    private var missingText: String {
        var parts: [String] = []
        if missing > 0 { parts.append(counted(missing, "line")) }
        if missing == 0, !holes.isEmpty {
            parts.append("messages that Kafka deleted (\(counted(Int64(holes.count), "hole")) open)")
        }
        if let rows, rows.missing > 0 { parts.append(counted(rows.missing, "row")) }
        return parts.joined(separator: ", ")
    }
}

extension LedgerReport.JournalLines {
    fileprivate var text: String {
        var line = "\(stream) \(journal): \(numbered) numbered, \(settled) settled"
        let places = [(inKafka, "in Kafka"), (unpublished, "unpublished"), (onTheWay, "not found yet")]
            .filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        if inFlight > 0 { line += ", \(inFlight) in flight (\(places.joined(separator: ", ")))" }
        if missing > 0 { return line + ", \(missing) missing: \(missingNumbers.description)" }
        return onTheWay > 0 ? line : line + ", none missing"
    }
}
