import Core

/// How the whole pipeline is, in a sentence, judged by the age of what is pending.
struct PipelineVerdict {
    enum State: String, Comparable {
        case ok, degraded, failing

        private var rank: Int { self == .ok ? 0 : self == .degraded ? 1 : 2 }

        static func < (left: State, right: State) -> Bool { left.rank < right.rank }
    }

    private(set) var state = State.ok
    private var sentences: [(State, String)] = []

    /// Judges what PostgreSQL knows.
    ///
    /// - Parameters:
    ///   - streams: the newest heartbeats.
    ///   - load: how far the loaders are.
    ///   - now: the time.
    init(_ streams: [StreamFacts], _ load: LoadFacts, now: Timestamp) {
        let names = Set(streams.map(\.stream)).sorted()
        if names.isEmpty { add(.degraded, "No producer has been heard of yet.") }
        for name in names { judge(name, streams.filter { $0.stream == name }, now.milliseconds) }
        if load.loaders == 0 { add(.failing, "No loader runs.") }
        if let problem = load.problem { add(.degraded, "A loader has a problem: \(problem).") }
        if load.openHoles > 0 {
            add(.failing, "Kafka deleted messages before they were loaded (\(counted(load.openHoles, "hole"))).")
        }
        if load.openGaps > 0 {
            let isOne = load.openGaps == 1
            let age = load.oldestGap.map { shortAge(max(0, now.milliseconds - $0) / 1000) } ?? ""
            add(
                .degraded,
                "\(counted(load.openGaps, "gap")) \(isOne ? "is" : "are") open"
                    + "\(isOne ? ", begun" : "; the oldest began") \(age) ago.")
        }
    }

    /// The worst first.
    var html: HTML {
        let calm = "Streams are connected, and everything received is stored."
        let worst = sentences.sorted { $0.0 > $1.0 }.map(\.1)
        let text = worst.isEmpty ? calm : worst.joined(separator: " ")
        return """
            <p class="verdict \(state.rawValue)" role="status"><strong>\(state.rawValue)</strong> <span>\(text)</span></p>

            """
    }

    private mutating func add(_ new: State, _ sentence: String) {
        state = max(state, new)
        sentences.append((new, sentence))
    }

    /// A stream of several producers is as well as the best of them.
    private mutating func judge(_ name: String, _ producers: [StreamFacts], _ now: Int64) {
        guard let newest = producers.first else { return }
        let age = max(0, now - newest.aliveAt)
        let due = newest.dueAfter ?? 30_000
        guard age < max(120_000, 4 * due) else {
            return add(
                age > max(300_000, 10 * due) ? .failing : .degraded,
                "The last heartbeat of stream \(name) in PostgreSQL is \(shortAge(age / 1000)) old.")
        }
        let living = producers.filter { newest.aliveAt - $0.aliveAt < 90_000 }
        if !living.contains(where: { $0.isConnected == true }), living.contains(where: { $0.isConnected == false }) {
            let silence = living.compactMap(\.receivedAt).max().map { max(0, now - $0) }
            add(
                silence ?? 0 > 300_000 ? .failing : .degraded,
                "Stream \(name) is not connected"
                    + (silence.map { "; X last sent something \(shortAge($0 / 1000)) ago." } ?? "."))
        }
        if let oldest = living.compactMap(\.unacknowledgedFrom).min(), now - oldest > 60_000 {
            let wait = now - oldest
            add(
                wait > 300_000 ? .failing : .degraded,
                "Lines of stream \(name) have been waiting for Kafka for \(shortAge(wait / 1000)).")
        }
    }
}
