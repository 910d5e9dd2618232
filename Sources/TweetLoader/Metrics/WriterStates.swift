import Core
import KafkaClient
import Synchronization

/// How the writers of a process stand, for metrics and health. Thread-safe; each writer changes its own part.
final class WriterStates: Sendable {
    /// How far a partition is settled.
    struct Position: Equatable {
        /// The first offset that is not settled; nil before the first batch: the oldest that Kafka has.
        var next: Int64?
        /// When the last settled message of the partition was received; nil before the first batch.
        var received: Timestamp?
    }

    private struct Writer {
        /// What the start of the service waits for.
        let step: String
        var isConnected = false
        /// Since when PostgreSQL does not accept what it sends; nil while it does, and before the first answer.
        var failedSince: Timestamp?
        /// Whether PostgreSQL answers, and rejects everything.
        var isRefused = false
        var positions: [TopicPartition: Position] = [:]
    }

    private let health: ServiceHealth
    private let writers = Mutex<[String: Writer]>([:])

    /// - Parameter health: of the service, which is ready once every writer has joined Kafka's group.
    init(_ health: ServiceHealth) {
        self.health = health
    }

    /// A writer will run.
    ///
    /// - Parameters:
    ///   - owner: its name.
    ///   - step: what the start waits for, in a person's words.
    func begin(_ owner: String, step: String) {
        writers.withLock { $0[owner] = Writer(step: step) }
        health.await(step)
    }

    /// Kafka's group has accepted a writer; the schema is known by then.
    func joined(_ owner: String) {
        if let step = writers.withLock({ $0[owner]?.step }) { health.done(step) }
    }

    /// PostgreSQL accepts what a writer sends.
    func connected(_ owner: String) {
        writers.withLock { writers in
            writers[owner]?.isConnected = true
            writers[owner]?.isRefused = false
            writers[owner]?.failedSince = nil
        }
    }

    /// PostgreSQL does not accept what a writer sends.
    ///
    /// - Parameters:
    ///   - owner: the writer.
    ///   - isRefused: whether it answers, and rejects everything.
    func failed(_ owner: String, isRefused: Bool) {
        writers.withLock { writers in
            writers[owner]?.isConnected = false
            writers[owner]?.isRefused = isRefused
            if writers[owner]?.failedSince == nil { writers[owner]?.failedSince = .now() }
        }
    }

    /// Since when PostgreSQL does not accept what one of them sends, and whether it answers and rejects it; nil while it does.
    var failure: (since: Timestamp, isRefused: Bool)? {
        writers.withLock { writers in
            let failed = writers.values.compactMap { writer in writer.failedSince.map { ($0, writer.isRefused) } }
            return failed.min { $0.0 < $1.0 }.map { (since: $0.0, isRefused: $0.1) }
        }
    }

    /// The partitions that a writer holds.
    ///
    /// - Parameters:
    ///   - owner: the writer.
    ///   - next: the first offset of each that is not settled; nil for the oldest that Kafka has.
    func set(_ owner: String, next: [TopicPartition: Int64?]) {
        writers.withLock { writers in
            let before = writers[owner]?.positions ?? [:]
            writers[owner]?.positions = next.reduce(into: [:]) { positions, part in
                positions[part.key] = Position(next: part.value, received: before[part.key]?.received)
            }
        }
    }

    /// A writer has settled messages.
    ///
    /// - Parameters:
    ///   - owner: the writer.
    ///   - received: when the last one of each partition was received.
    func set(_ owner: String, received: [TopicPartition: Timestamp]) {
        writers.withLock { writers in
            for (partition, moment) in received { writers[owner]?.positions[partition]?.received = moment }
        }
    }

    /// Whether PostgreSQL accepts what all of them send.
    var areConnected: Bool { writers.withLock { !$0.isEmpty && $0.values.allSatisfy(\.isConnected) } }

    /// The partitions that all of them hold.
    var positions: [TopicPartition: Position] {
        writers.withLock { writers in
            writers.values.reduce(into: [:]) { $0.merge($1.positions) { $1 } }
        }
    }
}
