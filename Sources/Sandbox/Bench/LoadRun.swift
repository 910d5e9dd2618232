import Core
import Glibc
import Postgres

/// One loader's way through a topic, watched from PostgreSQL.
///
/// What comes before the first transaction is not counted, neither its time nor its messages: joining the group and finding the
/// partitions is no part of the rate.
struct LoadRun {
    /// How far the loader was at a moment.
    private struct Sample {
        let at: ContinuousClock.Instant
        let settled: Int64
    }

    let rows: Int
    /// For all messages, at the rate at which they came after the first transaction.
    let seconds: Double
    /// For all messages, likewise.
    let cpuSeconds: Double
    let peakMiB: Double
    private let samples: [Sample]

    var perSecond: Double { Double(rows) / seconds }

    private static let patience = Duration.seconds(3600)

    /// Runs a loader until PostgreSQL has settled every message of the topic.
    ///
    /// - Throws: `Failure` with the end of the loader's log.
    init(_ topic: FilledTopic, _ shape: LoadShape, database: String, writers: Int) throws {
        self = try BenchService.loader(topic.kafka, database: database, payload: shape.payload, writers: writers)
            .running { try LoadRun(topic, database, process: $0.processID) }
    }

    private init(_ topic: FilledTopic, _ database: String, process: pid_t) throws {
        rows = topic.rows
        let observer = try PostgresConnection.connect(try PostgresConninfo(database))
        let deadline = ContinuousClock.now + Self.patience
        var samples: [Sample] = []
        var (cpuBefore, claimedAt) = (0.0, ContinuousClock.Instant?.none)
        while true {
            let answer = try observer.query(
                "SELECT count(*), coalesce(sum(next_offset), 0)::bigint FROM loader_offsets WHERE topic = $1",
                [topic.kafka.topic], doing: "look at the offsets")
            let (now, settled) = (ContinuousClock.now, answer.integer(0, 1) ?? 0)
            if claimedAt == nil, answer.integer(0, 0) ?? 0 > 0 { claimedAt = now }
            if settled > samples.last?.settled ?? 0 {
                if samples.isEmpty, settled < Int64(rows) { cpuBefore = try ProcessUsage(of: process).cpuSeconds }
                samples.append(Sample(at: now, settled: settled))
            }
            if settled >= Int64(rows) { break }
            guard now < deadline else { throw Failure(.unavailable, "not all loaded within \(Self.patience.short)") }
            usleep(5000)
        }
        // All in one transaction: from the claim.
        if samples.count == 1 { samples.insert(Sample(at: claimedAt ?? samples[0].at, settled: 0), at: 0) }
        let usage = try ProcessUsage(of: process)
        let share = Double(rows) / Double(Int64(rows) - samples[0].settled)
        seconds = samples[0].at.duration(to: samples[samples.count - 1].at).seconds * share
        cpuSeconds = (usage.cpuSeconds - cpuBefore) * share
        peakMiB = usage.peakMiB
        self.samples = samples
    }

    /// The time that the last `count` messages took, as a multiple of what the first ones took.
    func slowdown(over count: Int) -> Double {
        let (begin, end) = (samples[0], samples[samples.count - 1])
        let first = samples.first { $0.settled >= begin.settled + Int64(count) } ?? end
        let last = samples.last { $0.settled <= end.settled - Int64(count) } ?? begin
        let atFirst = begin.at.duration(to: first.at).seconds / Double(first.settled - begin.settled)
        let atLast = last.at.duration(to: end.at).seconds / Double(end.settled - last.settled)
        return atLast / atFirst
    }
}
