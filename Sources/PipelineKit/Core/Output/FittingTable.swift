/// A table that can be made narrower and shorter.
package struct FittingTable {
    /// The names of the columns; nil for rows of a name and a value.
    package var header: [String]?
    /// The cells, as many in each row.
    package var rows: [[String]]
    /// Columns to leave out when there is no room, by index, the first one first.
    package var dispensable: [Int]
    /// Whether the beginnings of long names in the first column may be left out: their ends differ.
    package var shortensNames: Bool
    /// A line behind the rows; nil for none.
    package var footer: String?

    package init(
        header: [String]?, rows: [[String]], dispensable: [Int] = [], shortensNames: Bool = false, footer: String? = nil
    ) {
        (self.header, self.rows, self.dispensable) = (header, rows, dispensable)
        (self.shortensNames, self.footer) = (shortensNames, footer)
    }

    /// The table as wide as a terminal and of any length.
    ///
    /// - Parameter terminal: nil for any width.
    /// - Returns: its lines, without a line end after the last.
    package func text(on terminal: Terminal?) -> String {
        render(columns: terminal?.columns, lines: nil).joined(separator: "\n")
    }

    /// The table with at most this number of columns and lines; omitted rows are counted.
    ///
    /// - Parameters:
    ///   - columns: nil for any number.
    ///   - limit: of lines; nil for none.
    /// - Returns: the lines.
    package func render(columns: Int?, lines limit: Int?) -> [String] {
        var shown = rows
        var ends = footer.map { [$0] } ?? []
        if let limit, rows.count + 1 + ends.count > limit {
            shown = Array(rows.prefix(max(0, limit - 2 - ends.count)))
            ends.insert("… \(rows.count - shown.count) more", at: 0)
        }
        var kept = Array((header ?? rows.first ?? []).indices)
        for column in dispensable where (columns.map { width(kept, shown) > $0 } ?? false) {
            kept.removeAll { $0 == column }
        }
        if let columns, shortensNames { shortenNames(&shown, by: width(kept, shown) - columns) }
        let cells = shown.map { row in kept.map { row[$0] } }
        let table = TextTable.render(header: header.map { header in kept.map { header[$0] } }, cells)
        return (table.split(separator: "\n").map(String.init) + ends).map { $0.cut(to: columns) }
    }

    private func width(_ kept: [Int], _ rows: [[String]]) -> Int {
        kept.reduce(2 * (kept.count - 1)) { sum, column in
            sum + max(header?[column].count ?? 0, rows.map { $0[column].count }.max() ?? 0)
        }
    }

    private func shortenNames(_ rows: inout [[String]], by excess: Int) {
        let longest = rows.map { $0[0].count }.max() ?? 0
        guard excess > 0, longest - excess >= 6 else { return }
        for index in rows.indices where rows[index][0].count > longest - excess {
            rows[index][0] = "…" + rows[index][0].suffix(longest - excess - 1)
        }
    }
}
