import Core
import Operations

extension TopFacts {
    /// One of the tables, ordered as a person has chosen.
    ///
    /// - Parameter state: which, and by which column.
    /// - Returns: the table, with all rows.
    func table(_ state: TopState) -> ScreenTable {
        var table =
            switch state.table {
            case .partitions: partitionsTable
            case .streams: streamsTable
            case .rules: rulesTable
            case .gaps: gapsTable
            case .checks: checksTable
            }
        if let column = state.sortColumns[state.table] { table.sort(by: column) }
        return table
    }

    private var partitionsTable: ScreenTable {
        ScreenTable(
            columns: [
                .init(title: "PARTITION", isNumber: false), .init(title: "AGE"), .init(title: "LAG"),
                .init(title: "1 S"), .init(title: "1 MIN", dispensable: 1), .init(title: "COMMIT", dispensable: 3),
                .init(title: "LAST 60 S", isNumber: false, dispensable: 2),
            ],
            rows: partitions.map { partition in
                [
                    .init(text: "\(partition.topic)-\(partition.partition)"), .age(partition.secondsUnsettled),
                    .init(text: TopWords.number(partition.lag), number: partition.lag),
                    .rate(partition.messagesPerSecond), .rate(partition.messagesPerSecondOfMinute),
                    .init(text: TopWords.age(partition.secondsSinceCommit), number: partition.secondsSinceCommit),
                    .init(text: Sparkline.text(partition.sparkline), style: .ok),
                ]
            })
    }

    private var streamsTable: ScreenTable {
        ScreenTable(
            columns: [
                .init(title: "STREAM", isNumber: false), .init(title: "X", isNumber: false), .init(title: "1 S"),
                .init(title: "1 MIN", dispensable: 4), .init(title: "BYTE"), .init(title: "POST", dispensable: 2),
                .init(title: "KAFKA"), .init(title: "JOURNAL", dispensable: 5), .init(title: "RULES", dispensable: 6),
                .init(title: "TODAY", dispensable: 3), .init(title: "GAPS", dispensable: 1),
            ],
            rows: producers.map { producer in
                [
                    .init(text: producer.name), .init(producer), .rate(producer.postsPerSecond),
                    .rate(producer.postsPerSecondOfMinute), .age(producer.secondsSinceByte),
                    .init(text: TopWords.age(producer.secondsSincePost), number: producer.secondsSincePost),
                    .age(producer.secondsUnacknowledged),
                    .init(text: TopWords.bytes(producer.journalBytes), number: producer.journalBytes),
                    .count(producer.rulesAtX), .count(producer.postsToday), .count(producer.openGaps),
                ]
            })
    }

    private var rulesTable: ScreenTable {
        ScreenTable(
            columns: [
                .init(title: "TAG", isNumber: false), .init(title: "POSTS/S"), .init(title: "POSTS"),
                .init(title: "LAST"),
            ],
            rows: rules.map { rule in
                [
                    .init(text: rule.tag), .rate(rule.postsPerSecond), .count(rule.posts),
                    .init(text: TopWords.age(rule.secondsSincePost), number: rule.secondsSincePost),
                ]
            })
    }

    private var gapsTable: ScreenTable {
        ScreenTable(
            columns: [
                .init(title: "STREAM", isNumber: false), .init(title: "BEGAN", isNumber: false), .init(title: "LASTED"),
                .init(title: "CAUSE", isNumber: false, dispensable: 1),
                .init(title: "FILLED BY", isNumber: false, dispensable: 2), .init(title: "GAPS", dispensable: 3),
            ],
            rows: gaps.map { gap in
                let length = gap.seconds.map { TopWords.age($0) } ?? (gap.startedAt == nil ? "?" : "it lasts")
                return [
                    .init(text: gap.stream), .init(text: gap.startedAt ?? "?"),
                    .init(text: length, number: gap.seconds ?? .infinity), .init(text: gap.cause ?? "?"),
                    .init(text: gap.next ?? "?"), .count(Double(gap.count)),
                ]
            })
    }

    private var checksTable: ScreenTable {
        ScreenTable(
            columns: [
                .init(title: "STATUS", isNumber: false), .init(title: "CHECK", isNumber: false),
                .init(title: "SERVICE", isNumber: false, dispensable: 1), .init(title: "FOUND", isNumber: false),
                .init(title: "REMEDY", isNumber: false, dispensable: 2),
            ],
            rows: problems.map { problem in
                let verdict = TopWords.verdict(problem.status)
                return [
                    .init(text: verdict.text, style: verdict.style), .init(text: problem.check),
                    .init(text: problem.service), .init(text: problem.detail), .init(text: problem.remedy ?? ""),
                ]
            })
    }
}

extension ScreenTable.Cell {
    fileprivate static func rate(_ value: Double?) -> ScreenTable.Cell {
        .init(text: TopWords.rate(value), style: value == nil ? .dim : .plain, number: value)
    }

    fileprivate static func count(_ value: Double?) -> ScreenTable.Cell {
        .init(text: TopWords.number(value), style: value == nil ? .dim : .plain, number: value)
    }

    fileprivate static func age(_ value: Double?) -> ScreenTable.Cell {
        let style = TopWords.style(age: value)
        return .init(text: style.sign + TopWords.age(value), style: style, number: value)
    }

    /// How the connection of a producer is.
    fileprivate init(_ producer: TopFacts.Producer) {
        let state = TopWords.connection(producer)
        self.init(text: state.text, style: state.style)
    }
}

extension TopWords {
    /// How the connection of a producer to X is.
    static func connection(_ producer: TopFacts.Producer) -> (text: String, style: ScreenLine.Style) {
        // What it last said of itself is no longer so, or not known to be.
        if let old = producer.secondsOld, old > HealthLimits().degraded / .seconds(1) {
            return ("! no heartbeat for \(age(old))", .warning)
        }
        if producer.isPassive == true { return ("standby", .plain) }
        switch producer.isConnected {
        case true: return (producer.secondsConnected.map { "connected \(age($0))" } ?? "connected", .ok)
        case false: return ("! not connected", .warning)
        case nil: return ("?", .dim)
        }
    }
}
