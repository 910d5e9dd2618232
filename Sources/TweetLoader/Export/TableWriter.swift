import TweetFormat

/// Writes tweets as lines of a CSV file: RFC 4180 in UTF-8, each line ended by LF, every field quoted, nothing for null.
struct TableWriter {
    private let form: TableForm
    private var pseudonyms: Pseudonyms?
    private var cell: [UInt8] = []

    init(_ form: TableForm) {
        self.form = form
        pseudonyms = form.redaction.map(Pseudonyms.init)
    }

    /// What a file begins with: the names of the columns, after a byte order mark for spreadsheets.
    var header: [UInt8] {
        let names = form.columns.map { "\"\($0.name)\"" }.joined(separator: ",") + "\n"
        return (form.isForSpreadsheets ? [0xEF, 0xBB, 0xBF] : []) + Array(names.utf8)
    }

    /// Appends the row of a tweet.
    mutating func append(_ tweet: FlatTweet, to rows: inout [UInt8]) {
        pseudonyms?.begin(tweet)
        for (index, column) in form.columns.enumerated() {
            if index > 0 { rows.append(UInt8(ascii: ",")) }
            append(column, of: tweet, to: &rows)
        }
        rows.append(UInt8(ascii: "\n"))
    }

    private mutating func append(_ column: ExportColumn, of tweet: FlatTweet, to rows: inout [UInt8]) {
        cell.removeAll(keepingCapacity: true)
        var kind = cell.append(cell: redacted(column.value(tweet), column.privacy))
        if column.privacy == .text, kind != .nothing { cell = pseudonyms?.redacted(cell) ?? cell }
        if kind == .text, form.newlines == .escape { escapeNewlines() }
        // A number that X sends as a text is a number all the same.
        if kind == .text, column.isID, !cell.isEmpty, cell.allSatisfy(\.isDigit) { kind = .number }
        guard kind != .nothing else { return }
        rows.append(UInt8(ascii: "\""))
        if form.isForSpreadsheets { protect(kind, column) }
        for byte in cell {
            if byte == UInt8(ascii: "\"") { rows.append(byte) }
            rows.append(byte)
        }
        rows.append(UInt8(ascii: "\""))
    }

    /// What a redacted table shows of a value; texts are redacted when they are written.
    private mutating func redacted(_ value: CellValue, _ privacy: ExportColumn.Privacy) -> CellValue {
        guard pseudonyms != nil, case .node(let node) = value else {
            return pseudonyms != nil && privacy == .erased ? .none : value
        }
        switch privacy {
        case .kept, .text: return value
        case .erased: return .none
        case .userID: return CellValue(node.id.flatMap { pseudonyms?.name(of: $0) })
        case .handle: return CellValue(node.string.flatMap { pseudonyms?.name(of: $0.text) })
        }
    }

    /// Line feeds become the two characters `\n`, carriage returns nothing.
    private mutating func escapeNewlines() {
        guard cell.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) else { return }
        cell = cell.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "\n"): Array(#"\n"#.utf8)
            case UInt8(ascii: "\r"): []
            default: [byte]
            }
        }
    }

    /// Writes an id as a formula that shows all its digits, and keeps text from being a formula (OWASP, "CSV Injection").
    private mutating func protect(_ kind: CellKind, _ column: ExportColumn) {
        if column.isID, kind == .number {
            cell = Array("=\"".utf8) + cell + [UInt8(ascii: "\"")]
        } else if kind == .text, Self.formulaBeginnings.contains(where: { cell.starts(with: $0) }) {
            cell.insert(UInt8(ascii: "'"), at: 0)
        }
    }

    private static let formulaBeginnings = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"].map {
        Array($0.utf8)
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
