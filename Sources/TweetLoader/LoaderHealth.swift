import Core
import Operations

/// Whether a loader works, by the age of what is pending: a pure function of what it counts.
///
/// While X is quiet, the heartbeats of the producers prove the whole way.
struct LoaderHealth: Sendable {
    let metrics: LoaderMetrics
    var limits = HealthLimits()

    /// The facts of heartbeats are read every 10 s.
    private static let refresh = Duration.seconds(10)

    /// The checks, the weightiest first.
    ///
    /// - Parameter now: the time.
    /// - Returns: all of them.
    func checks(at now: Timestamp) -> [HealthCheck] {
        [lag(now), heartbeat(now), postgres(now), kafka(now), stream, ledger, holes]
    }

    private func kafka(_ now: Timestamp) -> HealthCheck {
        guard let answered = metrics.consuming.answeredAt.moment else { return .ok("kafka", "Kafka was not asked yet") }
        return HealthCheck(
            "kafka", since: metrics.consuming.connected.value == 1 ? nil : answered, at: now, limits,
            detail: { metrics.consuming.connected.value == 1 ? "Kafka answers" : "Kafka has not answered for \($0)" },
            remedy: "check Kafka, and \"error\" in the log; the loader continues by itself")
    }

    /// Half of the time: nothing but an outage keeps PostgreSQL from answering.
    private func postgres(_ now: Timestamp) -> HealthCheck {
        guard let failure = metrics.writers.failure else { return .ok("postgresql", "PostgreSQL accepts rows") }
        let verb = failure.isRefused ? "has rejected every row" : "has not answered"
        var check = HealthCheck(
            "postgresql", since: failure.since, at: now,
            HealthLimits(degraded: limits.degraded / 2, failing: limits.failing),
            detail: { "PostgreSQL \(verb) for \($0)" },
            remedy: failure.isRefused
                ? "\"reason\" in the log has the cause: rights, a changed table, a full disk"
                : "check PostgreSQL and the way to it; the loader continues by itself")
        if failure.isRefused {
            (check.status, check.since) = (.failing, failure.since.description)
            check.remedy = "\"reason\" in the log has the cause: rights, a changed table, a full disk"
        }
        return check
    }

    /// Old, and not shrinking: a backlog that is being worked off is a matter of time.
    private func lag(_ now: Timestamp) -> HealthCheck {
        let moments = metrics.consuming.oldest.values.filter { $0.value > 0 }
        let oldest = moments.min { $0.value < $1.value }.map { Timestamp(milliseconds: Int64($0.value * 1000)) }
        let trend = metrics.consuming.trend
        var check = HealthCheck(
            "lag", since: oldest, at: now, limits,
            detail: {
                oldest == nil ? "PostgreSQL is behind by 0 s" : "PostgreSQL is behind by \($0), \(trend.lag) messages"
            },
            remedy: "start more loaders, or look for what slows PostgreSQL: the log, locks, its disk")
        guard let pace = trend.messagesPerLook, check.status != .ok else { return check }
        let left = Int64(Double(trend.lag) / pace) * Self.refresh.milliseconds / 1000
        check.status = .degraded
        check.detail += "; at this rate it is caught up in \(shortAge(left))"
        return check
    }

    /// The oldest of the streams' newest heartbeats, a little later than it is due.
    private func heartbeat(_ now: Timestamp) -> HealthCheck {
        guard let streams = metrics.facts.streams.value else { return .ok("heartbeat", "no heartbeat was read yet") }
        let checks = streams.map { state in
            let due = state.dueAfter.map { max($0 - .seconds(30), .zero) } ?? .zero
            let late = HealthLimits(degraded: limits.degraded + Self.refresh + due, failing: limits.failing + due)
            return HealthCheck(
                "heartbeat", since: state.aliveAt, at: now, late,
                detail: { "the newest heartbeat of stream \(state.stream) in PostgreSQL is \($0) old" },
                remedy:
                    "find where it stops: tweet-producer health on the producer's host, then lag and postgresql here")
        }
        let worst = checks.max { ($0.status, $0.value ?? 0) < ($1.status, $1.value ?? 0) }
        return worst ?? .ok("heartbeat", "no heartbeat of a producer (HEARTBEAT) was in PostgreSQL at the last look")
    }

    private var stream: HealthCheck {
        let away = metrics.facts.streams.value?.filter { $0.isConnected == false }.map(\.stream) ?? []
        guard !away.isEmpty else { return .ok("stream", "every stream was connected at its newest heartbeat") }
        return HealthCheck(
            name: "stream", status: .degraded,
            detail: "not connected to X at the newest heartbeat: \(away.joined(separator: ", "))",
            remedy: "tweet-producer health on the producer's host")
    }

    private var ledger: HealthCheck {
        let missing = metrics.facts.missing.values.filter { $0.value > 0 }
        guard !missing.isEmpty else { return .ok("ledger", "no line has been unsettled for 10 minutes") }
        let list = missing.map { "\(Int64($0.value)) of stream \($0.labels[0])" }.joined(separator: ", ")
        return HealthCheck(
            name: "ledger", status: .failing, detail: "lines that have not been settled for 10 minutes: \(list)",
            remedy: "tweet-loader verify, on the producer's host with --journal")
    }

    private var holes: HealthCheck {
        let open = Int64(metrics.facts.holes.value)
        guard open > 0 else { return .ok("holes", "no open hole") }
        return HealthCheck(
            name: "holes", status: .failing,
            detail: "open holes: Kafka deleted messages before they were loaded (\(open))",
            remedy: "docs/operations.md, \"Offsets that Kafka no longer has\"")
    }
}
