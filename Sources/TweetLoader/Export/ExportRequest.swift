import Core
import Postgres
import TweetFormat

/// What to export: all conditions must hold.
struct ExportSelection: Sendable {
    /// Tweets posted at that time or later; nil: from the first.
    var since: Timestamp?
    /// Tweets posted before that time; nil: to the last.
    var until: Timestamp?
    /// Tags or ids of rules; none: all.
    var rules: [String] = []
    /// Names of streams; none: all.
    var streams: [String] = []
    /// Languages as X detects them; none: all.
    var languages: [String] = []
    var kinds: Set<ExportKind> = []
    /// Whether tweets are exported, too, that are stored only because another one refers to them.
    var includesReferenced = false

    /// The ids of the window; nil where it is open. The ids from before the snowflakes have no time, and belong to every
    /// window that begins before the first snowflake.
    var firstID: Int64? {
        guard let since else { return nil }
        let id = Snowflake.firstID(at: since) ?? .max
        return id == Snowflake.lastCountedID + 1 ? nil : id
    }
    var endID: Int64? { until.flatMap { Snowflake.firstID(at: $0) } }
}

/// What a tweet is, as in `readable_tweets.kind`.
enum ExportKind: String, CaseIterable, Sendable, Encodable {
    case tweet, reply, quote, repost
}

/// The form of an export's files.
enum ExportFormat: String, CaseIterable, Sendable, Encodable {
    /// RFC 4180, with a header.
    case csv
    /// The lines as X sent them.
    case jsonl
    /// One id a line.
    case ids

    /// The files' name without compression.
    var fileExtension: String { self == .ids ? "txt" : rawValue }
}

/// How authors and mentioned users are made unrecognizable.
enum Redaction: String, CaseIterable, Sendable, Encodable {
    /// Each user becomes a pseudonym that is the same within the export.
    case pseudonyms
    /// Ids and handles of users are left out.
    case remove
}

/// What line ends within a cell become.
enum NewlineForm: String, CaseIterable, Sendable, Encodable {
    case keep
    /// The two characters `\n`, as twarc-csv writes them; this cannot be undone.
    case escape
}

/// The form of a table.
struct TableForm: Sendable {
    var columns = ExportColumn.twarc
    var newlines = NewlineForm.keep
    var redaction: Redaction?
    /// Whether cells are written so that a spreadsheet changes no id and computes nothing.
    var isForSpreadsheets = false
}

/// Everything that one export is.
struct ExportRequest: Sendable {
    var selection = ExportSelection()
    var format = ExportFormat.csv
    var table = TableForm()
}
