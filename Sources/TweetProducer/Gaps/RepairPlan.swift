import Core
import TweetFormat
import XAPI

/// What to do about gaps, as pure functions of the gaps, the account's plan and the time.
package enum RepairPlan {
    /// A time of the clock in which one or more gaps lie, and how to fill it.
    package struct Job: Equatable, Sendable {
        package var gaps: [StreamGap]
        package let method: RepairMethod
        /// The window to ask for, a little longer than the gaps.
        package var from: Timestamp
        package var to: Timestamp

        package var seqs: [Int64] { gaps.map(\.seq) }

        /// Whether the window lacks the beginning of a gap, which X no longer gives.
        func cuts(_ gap: StreamGap) -> Bool { from > gap.start }
    }

    /// X's limit of `backfill_minutes`.
    private static let longestBackfill = 5
    /// Clocks differ, and a post needs some seconds until X delivers it.
    private static let margin = Duration.seconds(15)
    /// X delivers nearly every post within 7 s (X: "Filtered stream", introduction).
    private static let latency = Duration.seconds(10)
    private static let slack = Duration.seconds(2)
    private static let recoveryReach = Duration.seconds(24 * 3600 - 300)
    private static let searchReach = Duration.seconds(7 * 86_400 - 300)
    /// Less is not worth asking for.
    private static let shortestPart = Duration.seconds(60)

    /// The backfill that a new connection should ask for, and the gaps that it fills; nil when none fits.
    package static func backfill(
        _ gaps: [StreamGap], plan: AccountPlan, at now: Timestamp
    ) -> (minutes: Int, seqs: [Int64])? {
        guard plan == .enterprise else { return nil }
        let reach = now.advanced(by: .seconds(-60 * longestBackfill) + margin)
        let fitting = gaps.filter {
            $0.status == .open && !$0.isWanted && $0.start <= now && missingSince($0) >= reach
        }
        guard let first = fitting.map(missingSince).min() else { return nil }
        let length = now.milliseconds - first.milliseconds + margin.milliseconds
        return (min(longestBackfill, Int((length + 59_999) / 60_000)), fitting.map(\.seq))
    }

    /// How a gap that has ended, or the latest part of it, can still be filled; nil when it is too old for everything.
    ///
    /// - Parameters:
    ///   - gap: what is missing.
    ///   - plan: the account's contract.
    ///   - kind: of the stream: a sample cannot be searched, and X sends a window of `sample10` only again.
    ///   - now: the time.
    /// - Returns: the best method.
    package static func method(
        for gap: StreamGap, plan: AccountPlan, kind: StreamKind = .filtered, at now: Timestamp
    ) -> RepairMethod? {
        var methods: [RepairMethod] = plan == .enterprise && kind.hasRecovery ? [.recovery] : []
        if kind == .filtered { methods.append(.search) }
        return methods.first { method in
            let begin = now.advanced(by: .zero - reach(of: method))
            return gap.start >= begin || gap.missingUntil.map { $0 >= begin.advanced(by: shortestPart) } ?? false
        }
    }

    /// When the window of a gap begins: posts that were made later may be missing.
    ///
    /// A reader that a slow disk has held up was behind when its connection ended: what waited in the socket was made after
    /// the newest post that came, however long ago that is. But where nothing waited, nothing older is missing than what X
    /// had on its way to us, and the last post of a quiet stream may be hours old.
    private static func start(of gap: StreamGap) -> Timestamp {
        let newest = gap.newestID.flatMap { Int64($0) }.flatMap { Snowflake.timestamp(of: $0) }
        let caughtUp = gap.caughtUp.map { min(Timestamp(milliseconds: $0), gap.start).advanced(by: .zero - latency) }
        let seen = min(newest ?? gap.start, gap.start).advanced(by: .zero - slack)
        guard let caughtUp else { return seen }
        return newest == nil ? caughtUp : max(seen, caughtUp)
    }

    /// The same without the latency, which the margin of a backfill has in it.
    private static func missingSince(_ gap: StreamGap) -> Timestamp {
        min(gap.start, start(of: gap).advanced(by: latency))
    }

    private static func reach(of method: RepairMethod) -> Duration {
        method == .search ? searchReach : recoveryReach
    }

    /// The jobs that fill gaps that have ended, oldest first.
    ///
    /// - Parameters:
    ///   - gaps: of the stream; only those that are open and have ended count.
    ///   - plan: the account's contract.
    ///   - kind: of the stream.
    ///   - now: the time.
    /// - Returns: the jobs.
    package static func jobs(
        _ gaps: [StreamGap], plan: AccountPlan, kind: StreamKind = .filtered, at now: Timestamp
    ) -> [Job] {
        var jobs: [Job] = []
        for gap in gaps.sorted(by: { $0.started < $1.started }) {
            guard gap.status == .open, let end = gap.missingUntil,
                let method = method(for: gap, plan: plan, kind: kind, at: now)
            else {
                continue
            }
            let from = max(start(of: gap), now.advanced(by: .zero - reach(of: method)))
            let to = end.advanced(by: slack)
            // A recovery costs a connection each, a search by the post.
            let nearness = method == .recovery ? Duration.seconds(60) : .zero
            if var last = jobs.last, last.method == method, from <= last.to.advanced(by: nearness),
                last.gaps[0].searched == gap.searched
            {
                last.gaps.append(gap)
                last.from = min(last.from, from)
                last.to = max(last.to, to)
                jobs[jobs.count - 1] = last
            } else {
                jobs.append(Job(gaps: [gap], method: method, from: from, to: to))
            }
        }
        return jobs
    }
}
