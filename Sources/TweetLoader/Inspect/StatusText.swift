import Core

extension LoaderStatus {
    /// For people, as it fits on a terminal: what does not fit is counted, and the headline comes first.
    ///
    /// - Parameter terminal: nil for everything in full.
    /// - Returns: the lines, without a line end after the last.
    func text(on terminal: Terminal?) -> String {
        var lines = ([headline] + facts).map { $0.cut(to: terminal?.columns) }
        var left = terminal?.rows.map { $0 - lines.count }
        let sections = [
            loadersTable, partitionsTable(folds: terminal != nil && !listsIdle), journalsTable, rejectsTable,
        ]
        .compactMap { $0 }
        for (index, section) in sections.enumerated() {
            // An empty line, the header and what was left out, for each that comes after this one.
            let reserved = 4 * (sections.count - index - 1)
            let room = left.map { max(0, $0 - 1 - reserved) }
            guard room.map({ $0 >= 2 }) ?? true else { break }
            let table = section.render(columns: terminal?.columns, lines: room)
            lines += [""] + table
            left = left.map { $0 - 1 - table.count }
        }
        return lines.joined(separator: "\n")
    }

    /// Whether a loader runs, by its signs of life, and by Kafka's group when that is known.
    private var headline: String {
        guard let group = consumerGroup, let members = group.members else { return presence }
        return "\(presence); group \(group.state.lowercased()) (\(counted(Int64(members), "member")))"
    }

    private var presence: String {
        let committed = partitions.compactMap(\.secondsSinceCommit).min().map { "last commit \(shortAge($0)) ago" }
        let processes = Set(loaders.map(\.process))
        guard let process = processes.first else {
            return secondsSinceSeen.map { "loader: none is running (last seen \(shortAge($0)) ago)" }
                ?? "loader: none is running (none was ever seen)"
        }
        let end = "; " + (committed ?? "no commit yet")
        guard processes.count == 1 else { return "loader: \(processes.count) are running" + end }
        let writers = loaders.count > 1 ? counted(Int64(loaders.count), "writer") + ", " : ""
        let partitions = counted(loaders.reduce(0) { $0 + $1.partitions }, "partition")
        return "loader: running, \(process), \(writers)\(partitions)" + end
    }

    private var facts: [String] {
        let oldest = partitions.compactMap(\.secondsUnsettled).max()
        let unsettled = oldest.map { "\(shortAge($0)) old" } ?? (lag == 0 ? "none" : "unknown")
        let rows = [
            ["lag", lag.map { "\($0) messages" } ?? "unknown"],
            ["rate", "\(Int(rate.rounded())) messages a second"],
            ["oldest unsettled", unsettled],
            ["rejects", "\(rejects.reduce(0) { $0 + $1.count })"],
            ["open", "\(counted(openGaps, "gap")), \(counted(openHoles, "hole")) in Kafka"],
            ["tweets", "\(isTweetsExact ? "" : "about ")\(tweets); events \(events); schema version \(schemaVersion)"],
        ]
        return TextTable.render(header: nil, rows).split(separator: "\n").map(String.init)
            + problems.prefix(3).map { "problem: \($0)" }
            + (problems.count > 3 ? ["problem: \(problems.count - 3) more"] : [])
    }

    private var loadersTable: FittingTable? {
        guard loaders.count > 1 else { return nil }
        return FittingTable(
            header: ["writer", "partitions", "started"],
            rows: loaders.map { [$0.owner, "\($0.partitions)", $0.startedAt] }, dispensable: [2], shortensNames: true)
    }

    /// The partitions, those with the greatest lag first when the idle ones are folded.
    private func partitionsTable(folds: Bool) -> FittingTable? {
        guard !partitions.isEmpty else { return nil }
        let busy = folds ? partitions.filter { !$0.isIdle }.sorted { ($0.lag ?? .max) > ($1.lag ?? .max) } : partitions
        let idle = partitions.count - busy.count
        return FittingTable(
            header: ["partition", "next", "end", "lag", "rate", "oldest", "commit"], rows: busy.map(\.row),
            dispensable: [1, 2, 5], shortensNames: true, footer: idle == 0 ? nil : "… \(idle) idle")
    }

    private var journalsTable: FittingTable? {
        guard !journals.isEmpty else { return nil }
        let hasRoles = journals.contains { $0.role != nil }
        return FittingTable(
            header: ["stream", "journal", "settled", "last", "unsettled"] + (hasRoles ? ["role"] : []),
            rows: journals.map { journal in
                [journal.stream, journal.journal, "\(journal.settled)", "\(journal.last)", "\(journal.unsettled)"]
                    + (hasRoles ? [journal.role?.rawValue ?? "-"] : [])
            },
            dispensable: [2], shortensNames: true)
    }

    private var rejectsTable: FittingTable? {
        guard !rejects.isEmpty else { return nil }
        return FittingTable(
            header: ["reject", "count", "last"], rows: rejects.map { [$0.reason, "\($0.count)", $0.last] },
            dispensable: [2], shortensNames: true)
    }
}

extension LoaderStatus.Partition {
    /// Whether nothing is to be loaded, and nothing was loaded within the last seconds.
    fileprivate var isIdle: Bool { lag == 0 && rate < 0.5 }

    /// A line of the table.
    fileprivate var row: [String] {
        func text(_ number: Int64?, _ unknown: String) -> String { number.map { "\($0)" } ?? unknown }
        return [
            "\(topic)-\(partition)", text(nextOffset, "-"), text(endOffset, "?"), text(lag, "?"),
            "\(Int(rate.rounded()))/s", secondsUnsettled.map { shortAge($0) } ?? "-",
            secondsSinceCommit.map { shortAge($0) } ?? "-",
        ]
    }
}
