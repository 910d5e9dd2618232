import ArgumentParser
import Core
import Glibc
import Postgres

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write tweets to files for pandas, R, DuckDB and spreadsheets.",
        discussion: """
            Reads one snapshot of the database and writes the tweets in the order of their ids, which is that of time. With \
            --output the files lie in a new folder, with MANIFEST.json (conditions, counts, SHA-256, the texts of the rules, \
            every gap that overlaps the window) and README.txt. Without it the rows go to standard output. Files have their \
            final names only when all of them are complete. SIGUSR1 shows the progress. Parquet: see docs/export.md.

              tweet-loader export --since 7d --rule coffee --output coffee
              tweet-loader export --since 2026-04-01 --until 2026-05-01 --columns core --gzip --output april
              tweet-loader export --since 1d --format jsonl | jq -r .data.text
              tweet-loader export --since 30d --dry-run

            Exit status: 0 done, also without tweets; 65 the folder is not empty, or a line is not stored; 69 PostgreSQL is \
            unreachable; 74 the disk is full; 75 interrupted.
            """)

    @OptionGroup var filter: ExportFilterOptions
    @OptionGroup var form: ExportFormOptions
    @OptionGroup var options: DatabaseCommandOptions

    @Option(
        help: ArgumentHelp("New or empty folder for the files; standard output without it.", valueName: "folder"),
        completion: .directory)
    var output: String?

    @Option(help: ArgumentHelp("Tweets in a file; the next ones go to another file.", valueName: "number"))
    var segment: Int64?

    @Flag(help: "Compress the files with gzip.")
    var gzip = false

    @Flag(help: "Show an estimate of the number of tweets and the gaps, and write nothing.")
    var dryRun = false

    func validate() throws {
        if let segment, segment < 1 { throw ValidationError("--segment: at least 1") }
        if output == nil, gzip || segment != nil {
            throw ValidationError("--gzip and --segment need --output; compress standard output with `| gzip`")
        }
        if form.format == .jsonl, filter.includeReferenced {
            throw ValidationError(
                "--include-referenced: lines contain the tweets that they refer to; use it with csv or ids")
        }
    }

    func run() throws {
        try runCommand {
            let request = ExportRequest(selection: filter.selection, format: form.format, table: form.table)
            let conninfo = try options.conninfo()
            if dryRun {
                let export = Export(request)
                return options.output.show(
                    try onDatabase(conninfo, role: .any) { connection in try export.estimate(connection) })
            }
            let signals = ExportSignals()
            do { try signals.during { try export(request, conninfo, signals) } } catch {
                if signals.stop.isRaised { throw Failure(.tryAgain, "interrupted: no file was exported") }
                guard let error = error as? FileError else { throw error }
                throw Failure(.disk, "\(error): free space or name another folder with --output, and run it again")
            }
        }
    }

    private func export(_ request: ExportRequest, _ conninfo: PostgresConninfo, _ signals: ExportSignals) throws {
        var export = Export(request)
        var progress = ExportProgress(isTerminal: isatty(STDERR_FILENO) == 1, isRequested: signals.wasAsked)
        let manifest = try onDatabase(conninfo, role: .any, stop: signals.stop) { connection in
            guard let output else {
                return try export.run(connection, to: StandardOutput(header: export.header), &progress)
            }
            let naming = ExportFolder.Naming(
                fileExtension: request.format.fileExtension, isCompressed: gzip, segment: segment)
            let folder = try ExportFolder(output, naming, header: export.header)
            let manifest = try export.run(connection, to: folder, &progress)
            try folder.describe(manifest)
            return manifest
        }
        progress.end()
        if output == nil { writeToStandardError("export: \(manifest.text)\n") } else { options.output.show(manifest) }
    }
}

/// Which tweets are exported.
struct ExportFilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Posted at that time or later: 2026-04-01, or 7d (ago).", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Posted before that time.", valueName: "time"))
    var until: String?

    @Option(help: ArgumentHelp("Matched by the rules with this tag or id; repeatable.", valueName: "tag"))
    var rule: [String] = []

    @Option(help: ArgumentHelp("Received by this stream; repeatable.", valueName: "name"))
    var stream: [String] = []

    @Option(help: ArgumentHelp("In this language as X detects it, such as en; repeatable.", valueName: "code"))
    var lang: [String] = []

    @Option(help: ArgumentHelp("tweet, reply, quote or repost; repeatable.", valueName: "kind"))
    var kind: [ExportKind] = []

    @Flag(help: "Tweets as well that are stored only because another one refers to them.")
    var includeReferenced = false

    func validate() throws {
        for (name, value) in [("since", since), ("until", until)] {
            if let value, Timestamp(argument: value) == nil {
                throw ValidationError("--\(name): '\(value)' is not \(Timestamp.argumentForm)")
            }
        }
        let window = selection
        if let since = window.since, let until = window.until, since >= until {
            throw ValidationError("--until: \(until) is not after \(since)")
        }
    }

    var selection: ExportSelection {
        ExportSelection(
            since: since.flatMap { Timestamp(argument: $0) }, until: until.flatMap { Timestamp(argument: $0) },
            rules: rule, streams: stream, languages: lang, kinds: Set(kind), includesReferenced: includeReferenced)
    }
}

/// In which form they are written.
struct ExportFormOptions: ParsableArguments {
    @Option(help: ArgumentHelp("csv, jsonl (X's lines) or ids.", valueName: "format"))
    var format = ExportFormat.csv

    @Option(
        help: ArgumentHelp(
            "Columns of csv: twarc (the 84 of twarc-csv), core, or names with commas between them.", valueName: "list"),
        completion: .list(["twarc", "core"]))
    var columns: String?

    @Option(help: ArgumentHelp("Line ends within a cell: keep, or escape to \\n as twarc-csv does.", valueName: "form"))
    var newlines: NewlineForm?

    @Option(help: ArgumentHelp("pseudonyms for users, or remove them.", valueName: "way"))
    var redact: Redaction?

    @Flag(help: "For spreadsheets alone: ids as formulas, no text as a formula.")
    var excel = false

    func validate() throws {
        if format != .csv, columns != nil || newlines != nil || redact != nil || excel {
            throw ValidationError("--columns, --newlines, --redact and --excel need --format csv")
        }
        if let columns, ExportColumn.columns(columns) == nil {
            let unknown = ExportColumn.unknown(in: columns)
            let meant = unknown?.nearest.map { "; did you mean \($0)?" } ?? "; docs/export.md lists the columns"
            throw ValidationError("--columns: '\(unknown?.name ?? columns)' is no column\(meant)")
        }
    }

    var table: TableForm {
        TableForm(
            columns: columns.flatMap(ExportColumn.columns) ?? ExportColumn.twarc, newlines: newlines ?? .keep,
            redaction: redact, isForSpreadsheets: excel)
    }
}

extension ExportKind: ExpressibleByArgument {}
extension ExportFormat: ExpressibleByArgument {}
extension NewlineForm: ExpressibleByArgument {}
extension Redaction: ExpressibleByArgument {}
