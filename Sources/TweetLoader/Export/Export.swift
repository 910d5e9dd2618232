import Core
import Postgres
import TweetFormat

/// Reads tweets in one snapshot and writes them, in the order of their ids.
struct Export: ~Copyable {
    private let request: ExportRequest
    private let query: ExportQuery
    private var table: TableWriter
    private var parser = LineParser()
    private var tweets: Int64 = 0

    /// Rows that are held in memory at a time.
    private static let fetched = 500

    init(_ request: ExportRequest) {
        self.request = request
        query = ExportQuery(request)
        table = TableWriter(request.table)
    }

    /// What each file begins with.
    var header: [UInt8] { request.format == .csv ? table.header : [] }

    /// Writes all tweets.
    ///
    /// - Parameters:
    ///   - connection: to PostgreSQL, which may be a standby.
    ///   - output: where the rows go; it is abandoned when this throws.
    ///   - progress: shows how far it is.
    /// - Returns: what came of it.
    /// - Throws: `PostgresError`; `FileError`; `ExportError` (`reject`) when a line is needed and not stored.
    mutating func run(
        _ connection: borrowing PostgresConnection, to output: some ExportOutput, _ progress: inout ExportProgress
    ) throws -> ExportManifest {
        do {
            let (snapshotAt, facts) = try begin(connection)
            progress.bounds = try bounds(connection)
            try fetch(connection, to: output, &progress)
            let empty = tweets == 0 ? try emptyBecause(progress.bounds, connection) : nil
            try connection.execute("COMMIT")
            return ExportManifest(
                snapshotAt: snapshotAt, arguments: .init(request), tweets: tweets, files: try output.finish(),
                facts: facts,
                emptyBecause: empty)
        } catch {
            output.abandon()
            throw error
        }
    }

    /// What would be exported: the number of tweets as PostgreSQL estimates it, and the gaps.
    func estimate(_ connection: borrowing PostgresConnection) throws -> ExportEstimate {
        let facts = try begin(connection).facts
        let answer = try connection.query(query.estimateSQL, query.parameters, doing: "estimate the tweets")
        try connection.execute("COMMIT")
        // [{"Plan": {…, "Plan Rows": 12, …}}]; the outermost plan comes first.
        let digits = (answer.text(0, 0) ?? "").split(separator: #""Plan Rows": "#).dropFirst().first?.prefix(
            while: \.isNumber)
        return ExportEstimate(tweetsEstimate: digits.flatMap { Int64($0) } ?? 0, gaps: facts.gaps)
    }

    /// Begins the one transaction that everything is read in.
    ///
    /// Writing may take its time between two statements, so the session may be idle for longer than others.
    private func begin(_ connection: borrowing PostgresConnection) throws -> (snapshotAt: String, facts: ExportFacts) {
        try connection.execute(
            """
            BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '1h'
            """, doing: "begin the export")
        let now = try connection.query("SELECT \(rfc3339("now()"))", doing: "take the snapshot").text(0, 0) ?? ""
        return (now, try ExportFacts(request.selection, connection))
    }

    private func bounds(_ connection: borrowing PostgresConnection) throws -> ClosedRange<Int64>? {
        let answer = try connection.query(query.boundsSQL, doing: "look at the window")
        guard let first = answer.integer(0, 0), let last = answer.integer(0, 1), first <= last else { return nil }
        return first...last
    }

    private mutating func fetch(
        _ connection: borrowing PostgresConnection, to output: some ExportOutput, _ progress: inout ExportProgress
    ) throws {
        _ = try connection.query(
            "DECLARE exported NO SCROLL CURSOR FOR \(query.sql)", query.parameters, doing: "select the tweets")
        while true {
            let rows = try connection.query("FETCH \(Self.fetched) FROM exported", doing: "read tweets")
            for row in 0..<rows.rowCount { try write(rows, row, to: output) }
            guard rows.rowCount > 0, let id = rows.integer(rows.rowCount - 1, 0) else { return }
            progress.report(id: id, tweets: tweets)
        }
    }

    private mutating func write(
        _ rows: borrowing PostgresResult, _ row: Int, to output: some ExportOutput
    ) throws {
        guard let id = rows.integer(row, 0) else { return }
        tweets += 1
        switch request.format {
        case .ids: try output.add(id) { $0 += Array("\(id)\n".utf8) }
        case .jsonl: try output.add(id) { try Self.append(line: rows, row, id, to: &$0) }
        case .csv:
            let receipt = FlatTweet.Receipt(
                receivedAt: rows.text(row, 2), stream: rows.text(row, 3), tags: rows.text(row, 4))
            try output.add(id) { try append(id, rows, row, receipt, to: &$0) }
        }
    }

    /// Appends the row of a table.
    private mutating func append(
        _ id: Int64, _ rows: borrowing PostgresResult, _ row: Int, _ receipt: FlatTweet.Receipt,
        to output: inout [UInt8]
    ) throws {
        try unsafe rows.withBytes(row, 1) { line throws in
            guard let line = unsafe line, let node = try? unsafe parser.parse(line),
                let tweet = FlatTweet(id, in: node, receipt)
            else {
                throw ExportError("the stored line of tweet \(id) is not the line of that tweet; see tweets.payload")
            }
            table.append(tweet, to: &output)
        }
    }

    /// Appends X's line: its original bytes where they were altered, unless a line feed in them would break the file.
    private static func append(
        line rows: borrowing PostgresResult, _ row: Int, _ id: Int64, to output: inout [UInt8]
    ) throws {
        if let raw = rows.text(row, 2).map(bytes(ofHex:)), !raw.contains(UInt8(ascii: "\n")) {
            output += raw
        } else {
            try unsafe rows.withBytes(row, 1) { line throws in
                guard let line = unsafe line else {
                    throw ExportError(
                        "tweet \(id) has no payload (PAYLOAD=drop): its line is only in the journal's archive; export csv or ids, "
                            + "or narrow the window with --since and --until")
                }
                unsafe output.append(contentsOf: line.lazy.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 })
            }
        }
        output.append(UInt8(ascii: "\n"))
    }

    /// The bytes of a bytea in PostgreSQL's hex form.
    private static func bytes(ofHex text: String) -> [UInt8] {
        let digits = Array(text.utf8.dropFirst(2)).map { $0 < 0x3A ? $0 - 0x30 : ($0 | 0x20) - 0x57 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// Why nothing was found.
    private func emptyBecause(
        _ bounds: ClosedRange<Int64>?, _ connection: borrowing PostgresConnection
    ) throws -> String {
        guard bounds != nil else { return "no tweets of that time are stored" }
        for name in request.selection.rules {
            let answer = try connection.query(
                """
                SELECT EXISTS (SELECT FROM rules WHERE tag = $1 OR rule_id::text = $1)
                    OR EXISTS (SELECT FROM tweet_rules WHERE tag = $1 OR rule_id::text = $1)
                """, [name], doing: "look for a rule")
            if answer.text(0, 0) == "f" { return "no rule has the tag or id '\(name)'" }
        }
        for name in request.selection.streams {
            let answer = try connection.query(
                "SELECT EXISTS (SELECT FROM stream_ledger WHERE stream = $1) OR EXISTS (SELECT FROM tweets WHERE stream = $1)",
                [name], doing: "look for a stream")
            if answer.text(0, 0) == "f" { return "no stream has the name '\(name)'" }
        }
        return "no tweet of that time meets all conditions"
    }
}

/// What `export --dry-run` shows.
struct ExportEstimate: Report {
    let tweetsEstimate: Int64
    let gaps: [ExportFacts.Gap]

    func text(on terminal: Terminal?) -> String {
        let rows = gaps.map { [$0.stream, $0.startedAt, $0.endedAt ?? "-", $0.status, $0.cause ?? "-"] }
        let table = FittingTable(header: ["stream", "from", "to", "status", "cause"], rows: rows).text(on: terminal)
        return "about \(groupedDigits(tweetsEstimate)) tweets (PostgreSQL's estimate)\n"
            + (gaps.isEmpty ? "no gap overlaps the window" : table)
    }
}
