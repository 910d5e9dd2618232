/// Text in columns.
package enum TextTable {
    /// Rows of equal length, each column as wide as its widest cell.
    ///
    /// - Parameters:
    ///   - header: the first line; nil for none.
    ///   - rows: the others.
    /// - Returns: the lines, without a line end after the last.
    package static func render(header: [String]?, _ rows: [[String]]) -> String {
        let all = (header.map { [$0] } ?? []) + rows
        let widths = (all.first ?? []).indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        let lines = all.map { row in
            let cells = zip(row, widths).map { $0.padded($1) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
        return lines.joined(separator: "\n")
    }
}
