/// One line of the screen: pieces of text, each with a style, of known width.
struct ScreenLine: Sendable, Equatable {
    /// How a piece looks on a terminal with colours; every style has words or signs of its own besides.
    enum Style: String, Sendable {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case ok = "32"
        case warning = "33"
        case bad = "1;31"
        case reverse = "7"

        /// What stands before a value of this style.
        var sign: String { self == .bad ? "!! " : self == .warning ? "! " : "" }
    }

    private(set) var pieces: [(text: ScreenText, style: Style)] = []
    private(set) var width = 0

    init() {}

    /// - Parameters:
    ///   - text: any text; it is made safe here.
    ///   - style: of all of it.
    init(_ text: String, _ style: Style = .plain) {
        append(text, style)
    }

    static func == (left: ScreenLine, right: ScreenLine) -> Bool {
        left.text == right.text && left.pieces.map(\.style) == right.pieces.map(\.style)
    }

    mutating func append(_ text: some StringProtocol, _ style: Style = .plain) {
        append(ScreenText(text), style)
    }

    mutating func append(_ text: ScreenText, _ style: Style = .plain) {
        pieces.append((text, style))
        width += text.width
    }

    /// Appends a value with the sign of its style, which needs no colour.
    mutating func append(signed text: String, _ style: Style) {
        append(style.sign + text, style)
    }

    /// Fills up with spaces to a width.
    mutating func pad(to columns: Int, _ style: Style = .plain) {
        if width < columns { append(String(repeating: " ", count: columns - width), style) }
    }

    /// Without styles.
    var text: String { pieces.map(\.text.text).joined() }

    /// The line in at most this number of columns.
    func fitting(_ columns: Int) -> ScreenLine {
        guard width > columns else { return self }
        var line = ScreenLine()
        for (text, style) in pieces {
            let left = columns - line.width
            guard left > 0 else { break }
            let isLast = line.width + text.width >= columns
            line.append(isLast ? ScreenText(text.text, columns: left) : text, style)
        }
        return line
    }

    /// The line as a terminal gets it.
    ///
    /// - Parameter hasColours: whether styles are shown.
    /// - Returns: the text with control sequences of the styles, and of nothing else.
    func encoded(hasColours: Bool) -> String {
        guard hasColours else { return text }
        return pieces.map { text, style in
            style == .plain ? text.text : "\u{1B}[\(style.rawValue)m\(text.text)\u{1B}[0m"
        }.joined()
    }
}

/// A table of the screen, which becomes narrower by leaving out columns.
struct ScreenTable: Sendable {
    struct Column: Sendable {
        var title: String
        /// Numbers are at the right.
        var isNumber = true
        /// The higher, the sooner it is left out; 0: never.
        var dispensable = 0
    }

    struct Cell: Sendable {
        var text: String
        var style = ScreenLine.Style.plain
        /// What the table is ordered by; nil comes last. Without a number, the text is.
        var number: Double?
    }

    var columns: [Column]
    var rows: [[Cell]]

    /// Orders the rows by a column: numbers from the greatest, texts from the first.
    mutating func sort(by column: Int) {
        guard columns.indices.contains(column) else { return }
        let isNumber = columns[column].isNumber
        let order = rows.indices.sorted { left, right in
            let (first, second) = (rows[left][column], rows[right][column])
            if isNumber, first.number != second.number { return first.number ?? -1 > second.number ?? -1 }
            if !isNumber, first.text != second.text { return first.text < second.text }
            return left < right
        }
        rows = order.map { rows[$0] }
    }

    /// The header and the rows.
    ///
    /// - Parameters:
    ///   - width: of the screen.
    ///   - shown: which rows.
    ///   - sorted: the column whose title is marked; nil for none.
    /// - Returns: the lines, none wider than the screen.
    func lines(width: Int, shown: Range<Int>, sorted: Int?) -> [ScreenLine] {
        let texts = rows[shown].map { row in row.map { ScreenText($0.text) } }
        let titles = columns.enumerated().map { ScreenText($1.title + ($0 == sorted ? "▾" : "")) }
        var widths = columns.indices.map { column in
            max(titles[column].width, texts.map { $0[column].width }.max() ?? 0)
        }
        let kept = fit(&widths, to: width)
        let header = line(titles, styles: columns.map { _ in .bold }, kept, widths)
        let rows = zip(texts, rows[shown]).map { line($0, styles: $1.map(\.style), kept, widths) }
        return ([header] + rows).map { $0.fitting(width) }
    }

    /// Leaves out columns, then shortens the last text.
    private func fit(_ widths: inout [Int], to width: Int) -> [Int] {
        var kept = Array(columns.indices)
        func total() -> Int { kept.reduce(2 * (kept.count - 1)) { $0 + widths[$1] } }
        let candidates = kept.filter { columns[$0].dispensable > 0 }
            .sorted { columns[$0].dispensable > columns[$1].dispensable }
        for column in candidates where total() > width { kept.removeAll { $0 == column } }
        if total() > width, let text = kept.last(where: { !columns[$0].isNumber }) {
            widths[text] = max(4, widths[text] - (total() - width))
        }
        return kept
    }

    private func line(
        _ cells: [ScreenText], styles: [ScreenLine.Style], _ kept: [Int], _ widths: [Int]
    ) -> ScreenLine {
        var line = ScreenLine()
        for (place, column) in kept.enumerated() {
            if place > 0 { line.append("  ") }
            let cell = ScreenText(cells[column].text, columns: widths[column])
            let padding = String(repeating: " ", count: widths[column] - cell.width)
            if columns[column].isNumber { line.append(padding) }
            line.append(cell, styles[column])
            if !columns[column].isNumber, place < kept.count - 1 { line.append(padding) }
        }
        return line
    }
}
