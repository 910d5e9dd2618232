/// Text in columns.
package enum TextTable {
    /// Rows of equal length, each column as wide as its widest cell.
    package static func render(header: [String]?, _ rows: [[String]]) -> String {
        let all = (header.map { [$0] } ?? []) + rows
        let widths = (all.first ?? []).indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        let lines = all.map { row in
            let cells = zip(row, widths).map { text, width in
                text + String(repeating: " ", count: width - text.count)
            }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
        return lines.joined(separator: "\n")
    }
}
