internal import Core
internal import KafkaClient
import TweetFormat

/// What becomes of records that Kafka rejects.
extension Delivery {
    /// Between records that are tried while delivery is paused.
    static var newProbes: Backoff { Backoff(first: .seconds(1), longest: .seconds(30), spread: 1...1) }
    /// How long a probe is left to a new record.
    private static let grace = Duration.milliseconds(250)
    /// Records at the single client at a time.
    private static let mostAlone = 32
    /// New records that are held to be tried, one at each probe, while delivery is paused.
    private static let mostProbes = 100

    var isIsolating: Bool {
        !suspects.isEmpty || !alone.isEmpty || !rejectedAlone.isEmpty || pausedTopic != nil
    }

    func reject(_ record: KafkaRecord, _ error: KafkaError, isAlone: Bool) {
        guard isAlone else {
            suspects.append(record)
            isolation.records += 1
            isolation.isAboutSize = isolation.isAboutSize || error.isAboutSize
            return
        }
        alone[record.id] = nil
        watched[record.id] = nil
        rejectedAlone.append((record, error))
    }

    /// Judges what was rejected alone, once all that was sent with it has its report: reports come in any order.
    private func judge() {
        guard alone.isEmpty else { return }
        defer { acceptedTopics.removeAll() }
        guard !rejectedAlone.isEmpty else { return }
        let rejected = rejectedAlone.sorted { $0.record.id < $1.record.id }
        rejectedAlone.removeAll()
        for (record, error) in rejected {
            let wasPaused = pausedTopic != nil
            if declared.contains(record.id) {
                // There is nothing smaller to put in its place.
                suspects.insert(record, at: 0)
                if stuck == nil {
                    stuck = record
                    beginPause(record.topic, error)
                }
            } else if acceptedTopics.contains(record.topic) || breaker.reject(record.topic) {
                verdicts.append((record, error.name))
            } else {
                suspects.insert(record, at: 0)
                if !wasPaused { beginPause(record.topic, error) }
            }
        }
    }

    private func beginPause(_ topic: String, _ error: KafkaError) {
        probes.reset()
        probeDue = .now + probes.next()
        logger.error(
            stuck == nil
                ? "the topic rejects every record; publishing is paused until it accepts one"
                : "the topic rejects the event that stands for a rejected line; publishing is paused until it accepts it",
            metadata: ["topic": "\(topic)", "error": "\(error.name)", "reason": "\(error.reason)"])
    }

    /// Whether a new record for a topic may be tried: what waits may be bad, and the topic good again.
    func isProbeWanted(_ topic: String) -> Bool {
        stuck == nil && breaker.pausedTopic == topic && alone.isEmpty && suspects.count < Self.mostProbes
            && undelivered == nil && producer.outstanding == 0 && ContinuousClock.now >= probeDue
    }

    /// Sends what was rejected in batches again, one record a batch, once nothing else is on its way.
    func isolate() {
        judge()
        guard undelivered == nil, isIsolating || isolation.records > 0, producer.outstanding == 0 else { return }
        guard isIsolating else { return endIsolation() }
        guard let client = singleClient() else { return }
        if pausedTopic != nil {
            guard alone.isEmpty, ContinuousClock.now >= probeDue + Self.grace, let record = takeProbe() else { return }
            probeDue = .now + probes.next()
            sendAlone(record, client)
        } else {
            // The next ones follow when all have their reports.
            guard alone.isEmpty else { return }
            suspects.sort { $0.id > $1.id }
            while alone.count < Self.mostAlone, pausedTopic == nil, let record = suspects.popLast() {
                sendAlone(record, client)
            }
        }
    }

    /// The record that is tried next while delivery is paused: a new one, which is likelier to be good than what was rejected
    /// already, unless a reject event is what the pause is about.
    private func takeProbe() -> KafkaRecord? {
        guard let stuck else { return suspects.popLast() }
        suspects.removeAll { $0.id == stuck.id }
        return stuck
    }

    private func sendAlone(_ record: KafkaRecord, _ client: KafkaProducer) {
        alone[record.id] = record
        handOver(record, to: client)
    }

    private func singleClient() -> KafkaProducer? {
        if let single { return single }
        single = make { () throws(KafkaClientError) in
            try KafkaProducer(
                kafka, batching: KafkaBatching(bytes: batchBytes, isSingle: true), outage: outage, logger: logger)
        }
        return single
    }

    /// Lowers the size of batches when that was the reason. Nothing is on its way.
    private func endIsolation() {
        let (records, isAboutSize, accepted) = isolation
        isolation = (0, false, 0)
        guard isAboutSize, records > 1, accepted > 0 else { return }
        let old = producer.batchBytes
        let limit = topicLimit() ?? .max
        setBatchBytes(limit < old ? limit : max(1024, old / 2))
        logger.warning(
            "Kafka rejects batches of this size; sending smaller ones",
            metadata: [
                "batch_bytes": .stringConvertible(old), "new_batch_bytes": .stringConvertible(producer.batchBytes),
            ])
    }

    /// The topic that rejects every record; nil when delivery is not paused.
    package var pausedTopic: String? { stuck?.topic ?? breaker.pausedTopic }

    func setBatchBytes(_ bytes: Int) {
        guard bytes < producer.batchBytes else { return }
        batchBytes = bytes
        _ = renew()
        single = nil
    }

    /// Publishes events with the numbers of rejects in their place, so that the loader settles them.
    func declare() {
        while !verdicts.isEmpty, undelivered == nil {
            let (record, reason) = verdicts.removeFirst()
            let headers = record.headers
            logger.error(
                "a line cannot be published; it is recorded as a reject",
                metadata: [
                    "stream": "\(headers.stream)", "journal": "\(headers.journal)",
                    "seq": .stringConvertible(headers.seq),
                    "reason": "\(reason)",
                ])
            counts.failures[.reject].add()
            declared.insert(record.id)
            onReject(record.id, reason)
            var event = PipelineEvent(.rejected, connection: headers.connection, cause: reason)
            event.seq = headers.seq
            unsafe record.value.withUnsafeBytes { unsafe event.setRejectedBytes($0) }
            handOver(
                KafkaRecord(
                    id: record.id, topic: topics.events.name, key: Array(headers.stream.utf8), value: event.line,
                    headers: headers))
        }
    }
}
