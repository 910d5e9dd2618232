import Core

/// A time in which the pipeline says it may have missed lines.
package struct DeclaredGap: Sendable {
    package let from: Timestamp
    /// Nil: not over yet.
    package let to: Timestamp?
    /// What clocks and buffers blur.
    private let slack: Duration

    package init(from: Timestamp, to: Timestamp?, slack: Duration = .seconds(2)) {
        self.from = from
        self.to = to
        self.slack = slack
    }

    /// Whether it has a moment, give or take the slack.
    func covers(_ moment: Timestamp) -> Bool {
        from.advanced(by: .zero - slack) <= moment && to.map { moment <= $0.advanced(by: slack) } ?? true
    }
}

/// What became of the lines that the simulator wrote.
package struct Verdict: Sendable {
    /// Tweets completely written to some connection, each counted once.
    package var received = 0
    /// Lines written that were no tweets.
    package var others = 0
    /// Tweets written again after they were written once.
    package var repeated = 0
    /// Written, or delivered by a search, and neither stored, rejected nor excused: the pipeline lost them.
    package var missing: [Int64] = []
    /// Written at the end of a connection that the client's death or a reset cut off, and within a declared gap.
    package var excused: [Int64] = []
    /// Issued while no client was connected (`losesWhileAway`), and not within a declared gap: lost silently.
    package var undeclared: [Int64] = []
    /// In the table more than once.
    package var doubled: [Int64] = []
    /// In the table, but never issued.
    package var strangers: [Int64] = []

    /// Whether nothing is wrong.
    package var isClean: Bool { missing.isEmpty && undeclared.isEmpty && doubled.isEmpty && strangers.isEmpty }
}

extension XSimulator {
    /// Judges the outcome by the simulator's own record, once all is quiet.
    ///
    /// An obligation is a line that was completely written. What the kernel had taken for a client that was then killed,
    /// or for a connection that we then reset, may never have been read: at the end of such a connection lines may be
    /// missing if a declared gap says so. With `redelivery` they are written again and must all be there.
    ///
    /// - Parameters:
    ///   - stored: the ids in the table, as often as they are in it.
    ///   - rejected: the ids of rejected lines.
    ///   - gaps: from the gap ledger.
    /// - Returns: what became of each line, of all streams.
    package func judge(stored: some Sequence<Int64>, rejected: Set<Int64> = [], gaps: [DeclaredGap] = []) -> Verdict {
        let stored = Array(stored)
        var verdict = Verdict()
        var issued: Set<Int64> = []
        for channel in channels {
            Judge(self, channel, settled: rejected.union(stored), gaps: gaps).judgeLines(&verdict, &issued)
        }
        verdict.judgeTable(stored, issued)
        return verdict
    }
}

extension Verdict {
    /// Judges the table by the ids that were issued.
    fileprivate mutating func judgeTable(_ stored: [Int64], _ issued: Set<Int64>) {
        var seen: Set<Int64> = []
        for id in stored {
            if !seen.insert(id).inserted { doubled.append(id) }
            if !issued.contains(id) { strangers.append(id) }
        }
    }
}

private struct Judge {
    private let simulator: XSimulator
    private let feed: Feed
    private let connections: [StreamConnection]
    private let settled: Set<Int64>
    private let gaps: [DeclaredGap]
    /// On how many connections each line was written.
    private let writes: [Int64: Int]

    init(_ simulator: XSimulator, _ channel: StreamChannel, settled: Set<Int64>, gaps: [DeclaredGap]) {
        self.simulator = simulator
        self.settled = settled
        self.gaps = gaps
        feed = channel.feed
        connections = channel.record.connections
        let searched = channel.record.state.withLock { $0.searched }
        writes = Dictionary(
            connections.flatMap { $0.written.map { ($0.index, 1) } } + searched.map { ($0, 1) }, uniquingKeysWith: +)
    }

    /// Judges each line of the stream; `issued` gets their ids. A tweet that two streams bring counts once as received.
    func judgeLines(_ verdict: inout Verdict, _ issued: inout Set<Int64>) {
        let excusable = excusableLines()
        for index in 0..<feed.issued {
            guard let id = feed.id(of: index) else {
                verdict.others += writes[index] == nil ? 0 : 1
                continue
            }
            let isNew = issued.insert(id).inserted
            if let count = writes[index] {
                verdict.received += isNew ? 1 : 0
                verdict.repeated += count - (isNew ? 1 : 0)
                if settled.contains(id) { continue }
                if excusable.contains(index) { verdict.excused.append(id) } else { verdict.missing.append(id) }
            } else if isUndeclared(index, id) {
                verdict.undeclared.append(id)
            }
        }
    }

    private func isUndeclared(_ index: Int64, _ id: Int64) -> Bool {
        // A line that is still to be delivered was not withheld.
        guard simulator.configuration.losesWhileAway, !settled.contains(id) else { return false }
        let moment = feed.time(of: index)
        return !gaps.contains { $0.covers(moment) }
    }

    /// Lines whose every writing was at the cut-off end of a connection, with a gap declared there.
    private func excusableLines() -> Set<Int64> {
        var excuses: [Int64: Int] = [:]
        for connection in connections {
            guard [.client, .reset].contains(connection.ending), let end = connection.endedAt,
                gaps.contains(where: { $0.covers(end) })
            else { continue }
            let tail = connection.written.reversed().prefix { !isProvenRead($0.index) }
            for line in tail { excuses[line.index, default: 0] += 1 }
        }
        return Set(excuses.filter { $0.value == writes[$0.key] }.keys)
    }

    /// Whether a line is stored and can only have come from the one connection that it was written on.
    private func isProvenRead(_ index: Int64) -> Bool {
        writes[index] == 1 && (feed.id(of: index).map(settled.contains) ?? false)
    }
}
