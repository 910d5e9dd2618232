import Core
import Digests
import Journal
import Logging
import XAPI

/// Reads what costs a disk or a little time, at regular intervals, for metrics: a scrape then reads memory alone.
struct ProducerFacts {
    private let settings: ProducerSettings
    private let metrics: ProducerMetrics
    private let journal: Journal
    private let gaps: OpenGaps
    private let posts: PostCounter
    private let stop: Stop
    private let logger: Logger
    /// Up to which line Kafka had acknowledged when the oldest of the others was looked for.
    private var lookedAt: Int64 = -1
    private var folder = Periodic(every: .seconds(15), atOnce: true)
    private var certificate = Periodic(every: .seconds(3600), atOnce: true)

    private static let pause = Duration.seconds(1)

    /// - Parameters:
    ///   - settings: of the service.
    ///   - metrics: what they are stored in.
    ///   - journal: the stream's.
    ///   - gaps: the stream's.
    ///   - posts: what was received.
    ///   - stop: ends it.
    ///   - logger: gets what cannot be read.
    init(
        _ settings: ProducerSettings, _ metrics: ProducerMetrics, _ journal: Journal, _ gaps: OpenGaps,
        _ posts: PostCounter, stop: Stop, logger: Logger
    ) {
        (self.settings, self.metrics, self.journal) = (settings, metrics, journal)
        (self.gaps, self.posts, self.stop, self.logger) = (gaps, posts, stop, logger)
        let limits = settings.stream.posts
        metrics.journal.quota.set(settings.journal.quota ?? 0)
        metrics.rules.limit.set(Int64(settings.stream.plan.maximalRules))
        metrics.posts.limit[.day].set(limits.perDay ?? 0)
        metrics.posts.limit[.cycle].set(limits.perMonth ?? 0)
        metrics.posts.repairLimit.set(settings.stream.repair.postsPerDay)
    }

    /// Reads until the stop is raised.
    mutating func run() {
        repeat { read(now: .now()) } while !stop.wait(for: Self.pause)
    }

    /// Reads everything that is due.
    mutating func read(now: Timestamp) {
        metrics.journal.unsynced.set(journal.unsyncedBytes)
        readOldest()
        readPosts(now)
        readGaps(now)
        if folder.isDue() { readFolder() }
        if certificate.isDue() { readCertificate() }
    }

    /// A line is looked up only after Kafka has acknowledged others: while it does not, the oldest one stays.
    private mutating func readOldest() {
        let tail = journal.source.tail
        let acknowledged = tail.acknowledged
        guard tail.lastSeq > acknowledged else {
            lookedAt = -1
            return metrics.journal.oldest.set(Timestamp?.none)
        }
        guard acknowledged != lookedAt else { return }
        do {
            metrics.journal.oldest.set(try journal.source.oldestUnacknowledged())
            lookedAt = acknowledged
        } catch {
            logger.debug("the oldest unpublished line cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    private func readPosts(_ now: Timestamp) {
        let first = settings.stream.posts.firstDay(at: now)
        metrics.posts.used[.day].set(posts.posts(since: now.day))
        metrics.posts.used[.cycle].set(posts.posts(since: first))
        metrics.posts.windowEnd[.day].set(Timestamp(milliseconds: (now.day + 1) * 86_400_000))
        let next = UsageForecast.nextReset(day: settings.stream.posts.resetDay, after: now.day)
        metrics.posts.windowEnd[.cycle].set(Timestamp(milliseconds: next * 86_400_000))
        metrics.posts.repairUsed.set(gaps.spent(on: now.day))
    }

    private func readGaps(_ now: Timestamp) {
        var counts: [NextRepair: Int64] = [:]
        var oldest: Timestamp?
        for gap in gaps.gaps where gap.status == .open {
            let (plan, kind) = (settings.stream.plan, settings.stream.source.kind)
            let method = gap.end == nil ? nil : RepairPlan.method(for: gap, plan: plan, kind: kind, at: now)
            let next = gap.end == nil ? .notConnected : method.flatMap { NextRepair(rawValue: $0.rawValue) } ?? .none
            counts[next, default: 0] += 1
            if method != nil { oldest = min(oldest ?? gap.start, gap.start) }
        }
        for next in NextRepair.allCases { metrics.gaps.open[next].set(counts[next] ?? 0) }
        metrics.gaps.oldest.set(oldest)
    }

    /// The Kafka client shows it; the servers' own are known from their connections.
    private func readCertificate() {
        do {
            let path = settings.kafka.encryption.certificate
            metrics.stream.certificates[.kafkaClient].set(try path.flatMap(Certificates.end(inFile:)))
        } catch {
            logger.debug("the Kafka client's certificate cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    private func readFolder() {
        do {
            let room = try journal.source.measureRoom()
            metrics.journal.used.set(room.used)
            metrics.journal.waitingSegments.set(Int64(room.closedSegments))
            if let available = room.available { metrics.journal.available.set(available) }
            if let size = room.size { metrics.journal.size.set(size) }
        } catch {
            logger.debug("the journal's folder cannot be measured", metadata: ["reason": "\(error)"])
        }
    }
}
