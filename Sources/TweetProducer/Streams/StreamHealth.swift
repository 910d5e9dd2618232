import Core
import Journal

/// What is known of one stream when `streams status` looks at it.
struct StreamLook: Sendable {
    /// Nil for a stream that the file does not declare.
    var declared: DeclaredStream?
    var settings: StreamSettingsFile?
    /// What the supervisor reports; nil without one, and when it does not know the stream.
    var process: StreamProcess?
    /// Nil before its first start.
    var journal: JournalStatus?
    var facts: StreamFacts?
    /// Whether a supervisor reports processes.
    var isSupervised: Bool
    /// Whether the next `streams apply` would change it.
    var isPending: Bool
}

/// What a stream does, and whether that is what it should do. A pure value.
///
/// A running process is not healthy by that alone: bytes must come from X, the journal must take them, and Kafka acknowledge them.
struct StreamHealth: Sendable, Equatable {
    enum State: String, Sendable, Encodable {
        case connected, connecting, waiting, passive, starting, stopped, failed, inactive
    }

    let state: State
    let isHealthy: Bool
    /// Why it is not healthy, or what else an operator should know; nil for nothing.
    let reason: String?

    /// Without a byte for this long a connection is suspicious: X sends a keep-alive every 20 s.
    static let longestSilence = Duration.seconds(60)
    /// Without an acknowledgement for this long lines are late, however many there are.
    static let longestBacklog = Duration.seconds(60)
    /// The reader writes its facts every second.
    private static let longestPause = Duration.seconds(30)

    private init(_ state: State, isHealthy: Bool = false, _ reason: String? = nil) {
        (self.state, self.isHealthy, self.reason) = (state, isHealthy, reason)
    }

    /// - Parameters:
    ///   - look: what is known.
    ///   - now: the time.
    init(_ look: StreamLook, now: Timestamp) {
        let isUp = [.running, .starting].contains(look.process?.state)
        if look.declared?.isActive != true {
            let isLeft = isUp || look.settings != nil
            let reason = "it is not active" + (look.isPending ? "; `streams apply` stops it" : "")
            self.init(.inactive, isHealthy: !isLeft, isLeft ? reason : nil)
        } else if look.isSupervised, !isUp {
            self = Self.withoutProcess(look)
        } else {
            self = Self.withProcess(look, now: now)
        }
    }

    private static func withoutProcess(_ look: StreamLook) -> StreamHealth {
        guard let process = look.process else { return StreamHealth(.stopped, "`streams apply` starts it") }
        let reason = process.word + (process.reason.map { ": \($0)" } ?? "")
        return StreamHealth(process.state == .failed ? .failed : .stopped, reason)
    }

    private static func withProcess(_ look: StreamLook, now: Timestamp) -> StreamHealth {
        guard let journal = look.journal, journal.process != nil else {
            return look.isSupervised
                ? StreamHealth(.starting, "its journal is not open yet")
                : StreamHealth(.stopped, "no process has its journal")
        }
        guard let facts = look.facts, journal.process?.hasPrefix("pid \(facts.process) ") == true else {
            return StreamHealth(.starting, "the reader has not begun yet")
        }
        // The journal's state says it as well when another producer reads.
        if let state = journal.state, state != "writing", facts.state != .passive || !state.hasPrefix("passive") {
            return StreamHealth(.waiting, "the journal: \(state)")
        }
        let pause = now.milliseconds - facts.at
        if pause > longestPause.milliseconds {
            return StreamHealth(.waiting, "the reader has not responded for \(shortAge(pause / 1000))")
        }
        return data(facts, journal, isPending: look.isPending, now: now)
    }

    private static func data(
        _ facts: StreamFacts, _ journal: JournalStatus, isPending: Bool, now: Timestamp
    ) -> StreamHealth {
        switch facts.state {
        case .connecting: return StreamHealth(.connecting, "X has not answered yet")
        case .waiting:
            let detail = [facts.cause, facts.detail].compactMap { $0 }.joined(separator: ": ")
            let next = facts.nextAttemptAt.map { ($0 - now.milliseconds) / 1000 }.flatMap { $0 > 0 ? $0 : nil }
            return StreamHealth(.waiting, detail + (next.map { "; next attempt in \(shortAge($0))" } ?? ""))
        case .passive: return StreamHealth(.passive, isHealthy: !isPending, isPending ? pendingText : nil)
        case .connected:
            let silence = now.milliseconds - (facts.lastByteAt ?? facts.since)
            if silence > longestSilence.milliseconds {
                return StreamHealth(.connected, "nothing has come from X for \(shortAge(silence / 1000))")
            }
            if let topic = journal.pausedTopic {
                return StreamHealth(.connected, "topic \(topic) rejects every record")
            }
            let oldest = journal.oldestUnacknowledgedAt.flatMap { Timestamp($0) } ?? now
            let backlog = now.milliseconds - oldest.milliseconds
            if backlog > longestBacklog.milliseconds {
                return StreamHealth(
                    .connected,
                    "\(counted(Int(journal.unacknowledged), "line")) wait for Kafka, the oldest for"
                        + " \(shortAge(backlog / 1000))")
            }
            return StreamHealth(.connected, isHealthy: !isPending, isPending ? pendingText : nil)
        }
    }

    private static let pendingText = "`streams apply` has changes for it"
}
