import Core
import Operations

/// Whether the producer works, by the age of what is pending: a pure function of what it counts.
///
/// X may be quiet for hours: nothing here asks when the last post came.
struct ProducerHealth: Sendable {
    let metrics: ProducerMetrics
    var limits = HealthLimits()
    /// X_STALL_TIMEOUT: without a byte for longer, a connection is ended.
    var stallTimeout = Duration.seconds(25)
    /// Whether gaps are to be filled without being asked for.
    var repairsGaps = true
    /// Whether the loaders' group is looked at.
    var watchesLoaders = true

    /// An archive that waits for its bucket is no danger for a while.
    private static let slow = Duration.seconds(86_400)
    /// Rules that are being edited differ for a while.
    private static let settling = Duration.seconds(7200)

    /// The checks, the weightiest first.
    ///
    /// - Parameter now: the time.
    /// - Returns: all of them.
    func checks(at now: Timestamp) -> [HealthCheck] {
        [
            stream(now), kafka(now), journal(now), loader(now), lastByte(now), pace, room, uploads(now), rules(now),
            gaps(now),
        ]
    }

    /// What `systemctl status` shows.
    ///
    /// - Parameters:
    ///   - headline: how the producer works.
    ///   - role: the part that it plays; nil for one that is alone.
    /// - Returns: the line, which begins with the role.
    static func line(_ headline: String, _ role: String?) -> String {
        guard let role, !headline.hasPrefix(role + ":") else { return headline }
        return "\(role): \(headline)"
    }

    // MARK: X

    /// Causes that no waiting heals.
    private static let hopeless: Set = ["unauthorized", "forbidden", "token", "no_credits", "usage_cap", "no_rules"]

    private func stream(_ now: Timestamp) -> HealthCheck {
        let stream = metrics.stream
        if stream.passive.value == 1 { return .ok("stream", "passive: another producer reads the stream") }
        guard stream.connected.value == 0 else {
            let since = stream.connectionStart.moment.map { now.milliseconds - $0.milliseconds } ?? 0
            return .ok("stream", "connected for \(shortAge(max(0, since) / 1000))")
        }
        let interruption = stream.interruption.value
        if interruption?.cause == "post_limit" {
            return .ok("stream", "not connected, as wanted: \(interruption?.detail ?? "post_limit")")
        }
        let cause = [interruption?.cause, interruption?.detail].compactMap { $0 }.joined(separator: ": ")
        let next = stream.nextAttempt.moment.flatMap { $0 > now ? "; next attempt at \($0)" : nil } ?? ""
        var check = HealthCheck(
            "stream", since: interruption?.since, at: now, limits,
            detail: { "not connected for \($0)" + (cause.isEmpty ? "" : ": \(cause)") + next },
            remedy: "the cause has the remedy; see \"cannot read the stream\" in docs/operations.md")
        if let cause = interruption?.cause, Self.hopeless.contains(cause) {
            check.status = .failing
            check.since = interruption?.since.description
            check.remedy = "waiting does not help: \(cause); see docs/operations.md, \"TweetStreamDisconnected\""
        }
        return check
    }

    /// Without a byte for this long the reader itself must have ended the connection.
    private func lastByte(_ now: Timestamp) -> HealthCheck {
        guard metrics.stream.connected.value == 1 else { return .ok("last_byte", "not connected") }
        let limit = stallTimeout + .seconds(15)
        let last = [metrics.stream.lastByte.moment, metrics.stream.connectionStart.moment].compactMap { $0 }.max()
        return HealthCheck(
            "last_byte", since: last, at: now, HealthLimits(degraded: limit, failing: limit),
            detail: { "X last sent something \($0) ago" },
            remedy: "the reader hangs: restart the service, and keep a backtrace (gdb -p PID, thread apply all bt)")
    }

    private var pace: HealthCheck {
        guard metrics.stream.quiet.value == 1 else { return .ok("pace", "as many posts as usual, or too few to judge") }
        return HealthCheck(
            name: "pace", status: .degraded, detail: "far fewer posts than usual",
            remedy: "compare the rules (tweet-producer rules plan); check X's status page")
    }

    private func rules(_ now: Timestamp) -> HealthCheck {
        let rules = metrics.rules
        let differing = RuleDifferenceLabel.allCases.reduce(0) { $0 + Int64(rules.differing[$1].value) }
        let note = rules.silent.value > 0 ? "; \(Int64(rules.silent.value)) without a post for X_RULES_SILENCE" : ""
        return HealthCheck(
            "rules", since: rules.differsSince.moment, at: now,
            .degraded(after: Self.settling),
            detail: {
                differing == 0 ? "\(Int64(rules.atX.value)) at X" + note : "\(differing) differ for \($0)" + note
            },
            remedy: "tweet-producer rules plan, then rules apply")
    }

    private func gaps(_ now: Timestamp) -> HealthCheck {
        let moment = repairsGaps ? metrics.gaps.oldest.moment : nil
        return HealthCheck(
            "gaps", since: moment, at: now, .degraded(after: Self.slow),
            detail: { moment == nil ? "none can be filled" : "a gap of \($0) ago can still be filled, and is not" },
            remedy: "tweet-producer gaps list; raise X_REPAIR_MAX_POSTS, or run gaps repair or gaps close")
    }

    // MARK: The journal and behind it

    private func journal(_ now: Timestamp) -> HealthCheck {
        guard let since = metrics.journal.refusedSince.moment else {
            return .ok("journal", "the journal accepts lines")
        }
        let age = shortAge(max(0, now.milliseconds - since.milliseconds) / 1000)
        return HealthCheck(
            name: "journal", status: .failing, detail: "the journal has accepted no lines for \(age), so X is not read",
            since: since, remedy: "make room on the journal's disk, or replace it; reading continues by itself")
    }

    /// Less than a tenth of what the journal may use.
    private var room: HealthCheck {
        let journal = metrics.journal
        let disk = (left: journal.available.value, size: journal.size.value)
        let quota = (left: journal.quota.value - journal.used.value, size: journal.quota.value)
        let scarce = [disk, quota].first { $0.size > 0 && $0.left < $0.size / 10 }
        guard let scarce else {
            return .ok(
                "room",
                disk.size > 0 ? "\(Int64(disk.left / disk.size * 100)) % of the disk is free" : "not measured yet")
        }
        return HealthCheck(
            name: "room", status: .degraded,
            detail:
                "the journal has \(Int64(max(0, scarce.left / 1_000_000))) MB left of \(Int64(scarce.size / 1_000_000)) MB",
            remedy: "make room on the journal's disk, or lower JOURNAL_KEEP; JOURNAL_QUOTA counts, too")
    }

    private func kafka(_ now: Timestamp) -> HealthCheck {
        let oldest = metrics.journal.oldest.moment
        let isConnected = metrics.publishing.connected.value == 1
        return HealthCheck(
            "kafka", since: oldest, at: now, limits,
            detail: {
                "Kafka is behind by \(oldest == nil ? "0 s" : $0)"
                    + (isConnected || oldest == nil ? "" : ", and unreachable")
            },
            remedy: "check Kafka, and \"error\" in the log; the journal keeps the lines")
    }

    /// Loaders that hang or do not run. They may also wait for PostgreSQL.
    private func loader(_ now: Timestamp) -> HealthCheck {
        guard watchesLoaders else { return .ok("loader", "not watched (LOADER_GROUP)") }
        if let obstacle = metrics.loaders.obstacle.value { return .ok("loader", "not known: \(obstacle)") }
        let last = metrics.loaders.last.moment
        return HealthCheck(
            "loader", since: last, at: now, limits,
            detail: { last == nil ? "loaders have settled everything" : "loaders last settled something \($0) ago" },
            remedy: "run `tweet-loader health` where the loader runs: it hangs, does not run, or waits for PostgreSQL")
    }

    private func uploads(_ now: Timestamp) -> HealthCheck {
        let oldest = metrics.uploads.oldest.moment
        return HealthCheck(
            "uploads", since: oldest, at: now, .degraded(after: Self.slow),
            detail: { oldest == nil ? "nothing waits for the bucket" : "a segment has waited \($0) for the bucket" },
            remedy: "tweet-producer journal status has S3's answer")
    }
}
