import Core
import Operations

extension TopScreen {
    /// The pipeline in a line a part, the most important first.
    func summary(_ columns: Int) -> [ScreenLine] {
        [stream(columns), loading(columns), kafka, ledger, money, journal]
    }

    private func part(_ name: String) -> ScreenLine {
        var line = ScreenLine(name, .bold)
        line.pad(to: 9)
        return line
    }

    private func stream(_ columns: Int) -> ScreenLine {
        var line = part("X")
        guard let first = facts.producers.first else { return unknown(line, "no producer and no heartbeat") }
        if facts.producers.count == 1 {
            let state = TopWords.connection(first)
            line.append(state.text, state.style)
        } else {
            let styles = facts.producers.map { TopWords.connection($0).style }
            line.append(
                signed: "\(styles.count { $0 == .ok }) of \(styles.count) connected",
                styles.allSatisfy { [.ok, .plain].contains($0) } ? .ok : .warning)
        }
        add(
            rates: TopFacts.sum(facts.producers.map(\.postsPerSecond)),
            TopFacts.sum(facts.producers.map(\.postsPerSecondOfMinute)), "posts", facts.postsSparkline, columns, &line)
        line.append("  last byte \(TopWords.age(facts.producers.compactMap(\.secondsSinceByte).min()))")
        if let old = facts.producers.compactMap(\.secondsOld).min() {
            line.append("  as of \(TopWords.age(old)) ago", .dim)
        }
        return line
    }

    private func loading(_ columns: Int) -> ScreenLine {
        var line = part("Loader")
        guard let loading = facts.loading else { return unknown(line, "no loader and no PostgreSQL answer") }
        line.append(
            loading.loaders == 0 ? "!! none is running" : "\(loading.loaders) running",
            loading.loaders == 0 ? .bad : .ok)
        add(
            rates: loading.messagesPerSecond, loading.messagesPerSecondOfMinute, "rows", facts.loadSparkline, columns,
            &line)
        line.append("  commit \(TopWords.age(loading.secondsSinceCommit)) ago")
        return line
    }

    private func add(
        rates second: Double?, _ minute: Double?, _ noun: String, _ parts: [Double?], _ columns: Int,
        _ line: inout ScreenLine
    ) {
        line.append("  \(TopWords.rate(second)) \(noun)/s")
        guard columns >= 80 else { return }
        line.append(" (1 min \(TopWords.rate(minute)))")
        // As much of it as there is room, the newest part first.
        let room = min(parts.count, max(0, columns - 80) + 10)
        line.append(" " + Sparkline.text(parts.suffix(room)), .ok)
    }

    private var kafka: ScreenLine {
        var line = part("Behind")
        let unacknowledged = facts.producers.compactMap(\.secondsUnacknowledged).max()
        line.append("Kafka ")
        line.append(signed: TopWords.age(unacknowledged), TopWords.style(age: unacknowledged))
        let unsettled = facts.partitions.compactMap(\.secondsUnsettled).max()
        line.append("  PostgreSQL ")
        line.append(signed: TopWords.age(unsettled), TopWords.style(age: unsettled))
        line.append("  lag \(TopWords.number(TopFacts.sum(facts.partitions.map(\.lag))))")
        let heartbeat = facts.loading?.secondsSinceHeartbeat
        line.append("  heartbeat ")
        line.append(signed: TopWords.age(heartbeat), TopWords.style(age: heartbeat))
        return line
    }

    private var ledger: ScreenLine {
        var line = part("Ledger")
        let loading = facts.loading
        if loading?.missingLines == nil, let unsettled = loading?.unsettledLines {
            line.append("unsettled \(TopWords.number(unsettled))")
        } else {
            line.append("missing ")
            line.append(signed: TopWords.number(loading?.missingLines), Self.style(loading?.missingLines, .bad))
        }
        let gaps = loading?.openGaps ?? TopFacts.sum(facts.producers.map(\.openGaps))
        line.append("  gaps ")
        line.append(signed: TopWords.number(gaps), Self.style(gaps, .warning))
        line.append("  holes ")
        line.append(signed: TopWords.number(loading?.openHoles), Self.style(loading?.openHoles, .bad))
        line.append("  rejects \(TopWords.number(loading?.rejects))")
        return line
    }

    private static func style(_ count: Double?, _ bad: ScreenLine.Style) -> ScreenLine.Style {
        count.map { $0 > 0 ? bad : .plain } ?? .dim
    }

    private var money: ScreenLine {
        var line = part("Money")
        func sum(_ value: KeyPath<TopFacts.Producer, Double?>) -> Double? {
            TopFacts.sum(facts.producers.map { $0[keyPath: value] })
        }
        func used(_ posts: Double?, of limit: Double?) -> String {
            TopWords.number(posts) + (limit.map { " of \(TopWords.number($0))" } ?? "")
        }
        if let dollars = sum(\.dollarsOfCycle) { line.append("\(TopWords.dollars(dollars))  ") }
        line.append("cycle \(used(sum(\.postsOfCycle), of: sum(\.limitPerCycle)))")
        line.append("  day \(used(sum(\.postsToday), of: sum(\.limitPerDay)))")
        return line
    }

    private var journal: ScreenLine {
        var line = part("Journal")
        let used = TopFacts.sum(facts.producers.map(\.journalBytes))
        line.append(TopWords.bytes(used))
        if let quota = TopFacts.sum(facts.producers.map(\.quotaBytes)) { line.append(" of \(TopWords.bytes(quota))") }
        line.append("  free \(TopWords.bytes(facts.producers.compactMap(\.availableBytes).min()))")
        line.append("  rules \(TopWords.number(TopFacts.sum(facts.producers.map(\.rulesAtX))))")
        return line
    }

    private func unknown(_ line: ScreenLine, _ text: String) -> ScreenLine {
        var line = line
        line.append(text, .dim)
        return line
    }
}
