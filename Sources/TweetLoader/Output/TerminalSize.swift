import Core
import Glibc

/// How much a terminal shows.
struct TerminalSize {
    var columns: Int
    /// Nil when text may be of any length.
    var rows: Int?

    init(columns: Int, rows: Int? = nil) {
        (self.columns, self.rows) = (columns, rows)
    }

    /// Of standard output; nil when that is no terminal or its size is unknown.
    static var ofStandardOutput: TerminalSize? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0
        else { return nil }
        return TerminalSize(columns: Int(size.ws_col), rows: size.ws_row > 0 ? Int(size.ws_row) : nil)
    }
}

/// A table that can be made narrower and shorter.
struct FittingTable {
    var header: [String]
    var rows: [[String]]
    /// Columns to leave out when there is no room, by index, the first one first.
    var dispensable: [Int] = []
    /// A line behind the rows; nil for none.
    var footer: String?

    /// The table with at most this number of columns and lines; omitted rows are counted.
    func render(columns: Int?, lines limit: Int?) -> [String] {
        var shown = rows
        var ends = footer.map { [$0] } ?? []
        if let limit, rows.count + 1 + ends.count > limit {
            shown = Array(rows.prefix(max(0, limit - 2 - ends.count)))
            ends.insert("… \(rows.count - shown.count) more", at: 0)
        }
        var kept = Array(header.indices)
        for column in dispensable where (columns.map { width(kept, shown) > $0 } ?? false) {
            kept.removeAll { $0 == column }
        }
        if let columns { shortenNames(&shown, by: width(kept, shown) - columns) }
        let cells = shown.map { row in kept.map { row[$0] } }
        let table = TextTable.render(header: kept.map { header[$0] }, cells).split(separator: "\n").map(String.init)
        return (table + ends).map { $0.cut(to: columns) }
    }

    private func width(_ kept: [Int], _ rows: [[String]]) -> Int {
        kept.reduce(2 * (kept.count - 1)) { sum, column in
            sum + max(header[column].count, rows.map { $0[column].count }.max() ?? 0)
        }
    }

    /// Leaves out the beginning of names: their ends differ.
    private func shortenNames(_ rows: inout [[String]], by excess: Int) {
        let longest = rows.map { $0[0].count }.max() ?? 0
        guard excess > 0, longest - excess >= 6 else { return }
        for index in rows.indices where rows[index][0].count > longest - excess {
            rows[index][0] = "…" + rows[index][0].suffix(longest - excess - 1)
        }
    }
}

extension String {
    /// The text in at most this number of columns.
    func cut(to columns: Int?) -> String {
        guard let columns, count > columns, columns > 0 else { return self }
        return prefix(columns - 1) + "…"
    }
}
