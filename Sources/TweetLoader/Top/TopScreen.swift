import Core
import Operations

/// Lays facts out on a screen: a pure function of the facts, what a person has chosen, and the size.
struct TopScreen: Sendable {
    let facts: TopFacts
    let state: TopState

    /// The smallest screen for which everything has a place.
    static let smallest = (columns: 40, rows: 10)

    /// How many rows of the table are shown on a screen.
    static func page(_ facts: TopFacts, rows: Int) -> Int {
        Layout(rows: rows, problems: facts.problems.count).table
    }

    /// How the lines of a screen are shared out.
    struct Layout: Equatable {
        /// Lines about the pipeline as a whole.
        var summary: Int
        /// Checks that are not ok.
        var problems: Int
        /// Empty lines before the names of the tables.
        var spaces: Int
        /// Rows of the table.
        var table: Int

        /// - Parameters:
        ///   - rows: of the screen.
        ///   - count: how many checks are not ok.
        init(rows: Int, problems count: Int) {
            // Title, sources, names of the tables, header of the table, keys.
            let left = max(0, rows - 5)
            spaces = left >= 14 ? 1 : 0
            summary = min(6, max(0, left - spaces - 2))
            problems = min(count, 3, max(0, left - spaces - summary - 4))
            table = max(0, left - spaces - summary - problems)
        }
    }

    /// The lines of a screen: never more, and never wider, than it is.
    func lines(columns: Int, rows: Int) -> [ScreenLine] {
        guard columns >= Self.smallest.columns, rows >= Self.smallest.rows else {
            let needed = "\(Self.smallest.columns)x\(Self.smallest.rows)"
            let line = ScreenLine("\(columns)x\(rows) is too small; \(needed) is needed. q quits").fitting(columns)
            return columns > 0 && rows > 0 ? [line] : []
        }
        let all = state.showsHelp ? help(rows: rows) : everything(columns: columns, rows: rows)
        return all.prefix(rows).map { $0.fitting(columns) }
    }

    private func everything(columns: Int, rows: Int) -> [ScreenLine] {
        let layout = Layout(rows: rows, problems: facts.problems.count)
        let table = facts.table(state)
        var lines = [title(columns), sources]
        lines += summary(columns).prefix(layout.summary)
        lines += problems.prefix(layout.problems)
        if layout.spaces > 0 { lines.append(ScreenLine()) }
        let first = min(state.scroll, max(0, table.rows.count - layout.table))
        let shown = first..<min(table.rows.count, first + layout.table)
        lines.append(tabs(shown, of: table.rows.count))
        lines += table.lines(width: columns, shown: shown, sorted: state.sortColumns[state.table])
        while lines.count < rows - 1 { lines.append(ScreenLine()) }
        lines.append(keys)
        return lines
    }

    // MARK: Parts

    private func title(_ columns: Int) -> ScreenLine {
        var text = "tweet-loader top  \(facts.at.description.dropLast(5).suffix(8)) UTC  every \(state.interval.short)"
        if state.isPaused { text += "  PAUSED" }
        var line = ScreenLine(text, .reverse)
        line.pad(to: columns, .reverse)
        return line
    }

    /// Whom the facts are from, and who does not answer.
    private var sources: ScreenLine {
        var line = ScreenLine()
        for source in facts.sources {
            if line.width > 0 { line.append("  ") }
            line.append(source.service.replacing("tweet-", with: "") + " ")
            if !source.answers {
                line.append("no answer", .bad)
            } else if source.service == "PostgreSQL" {
                line.append("answers", .ok)
            } else {
                let verdict = TopWords.verdict(source.status)
                line.append(verdict.text, verdict.style)
            }
        }
        let fromDatabase = [facts.producers.first?.from, facts.loading?.from].contains(.postgresql)
        if fromDatabase { line.append("  (from PostgreSQL)", .dim) }
        return line
    }

    private var problems: [ScreenLine] {
        facts.problems.map { problem in
            let isBad = problem.status == .failing
            return ScreenLine(
                "\(isBad ? "!!" : "!") \(problem.detail)" + (problem.remedy.map { ": \($0)" } ?? ""),
                isBad ? .bad : .warning)
        }
    }

    private func tabs(_ shown: Range<Int>, of count: Int) -> ScreenLine {
        var line = ScreenLine()
        for table in TopState.Table.allCases {
            if line.width > 0 { line.append(" ") }
            line.append(table == state.table ? "[\(table.title)]" : table.title, table == state.table ? .bold : .dim)
        }
        if count == 0 {
            line.append("  none", .dim)
        } else if shown.count < count {
            line.append("  \(shown.lowerBound + 1)-\(shown.upperBound) of \(count)", .dim)
        }
        return line
    }

    private var keys: ScreenLine {
        ScreenLine("q quit  ? help  p pause  Tab table  s sort  ↑↓ scroll  +- interval", .dim)
    }

    private func help(rows: Int) -> [ScreenLine] {
        let lines = [
            "q, Ctrl-C       quit", "p, Space        pause: nothing changes", "Tab, 1 to 5     another table",
            "s, left, right  order by a column", "up, down        scroll; Page, Home, End", "+ -             interval",
            "Ctrl-Z          stop; fg continues", "?, Esc          close this help",
            "", "AGE    of the oldest message that is pending", "LAG    messages that are pending",
            "1 S    rate of the last second", "1 MIN  rate of the last minute", "?      not known; 0 is 0",
        ]
        let shown = [ScreenLine("tweet-loader top: keys", .reverse)] + lines.map { ScreenLine($0) }
        return Array(shown.prefix(rows))
    }

    // MARK: Without keys

    /// Everything once, of any length, for standard output.
    ///
    /// - Parameter terminal: nil for any width and no colours.
    /// - Returns: the lines, without a line end after the last.
    func plain(_ terminal: Terminal?) -> String {
        let columns = terminal?.columns ?? 400
        var lines = facts.sources.map { source in
            ScreenLine(
                "\(source.service) at \(source.place): "
                    + (source.problem ?? source.status.map { TopWords.verdict($0).text } ?? "answers"))
        }
        lines += summary(columns) + problems
        for table in TopState.Table.allCases {
            var state = state
            state.table = table
            let content = facts.table(state)
            guard !content.rows.isEmpty else { continue }
            lines.append(ScreenLine())
            lines += content.lines(width: columns, shown: content.rows.indices, sorted: nil)
        }
        return lines.map { $0.fitting(columns).encoded(hasColours: terminal?.hasColours ?? false) }
            .joined(separator: "\n")
    }
}
