import Core
import KafkaClient
import TweetFormat

/// What becomes of records that Kafka rejects.
extension Delivery {
    private static let firstProbeWait = Duration.seconds(1)
    private static let longestProbeWait = Duration.seconds(30)
    /// How long a probe is left to a new record.
    private static let grace = Duration.milliseconds(250)
    /// Records at the single client at a time.
    private static let mostAlone = 32
    /// New records that are held to be tried, one at each probe, while delivery is paused.
    private static let mostProbes = 100

    var isIsolating: Bool {
        !suspects.isEmpty || !alone.isEmpty || !rejectedAlone.isEmpty || breaker.pausedTopic != nil
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
        if declared.contains(record.id) {
            failure = Failure(
                .unavailable,
                "topic \(record.topic) rejects even the event for a rejected line: \(error.name)."
                    + " Check its max.message.bytes and its policies.")
            return
        }
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
            let wasPaused = breaker.pausedTopic != nil
            if acceptedTopics.contains(record.topic) || breaker.reject(record.topic) {
                verdicts.append((record, error.name))
            } else {
                suspects.insert(record, at: 0)
                if !wasPaused { beginPause(record.topic, error) }
            }
        }
    }

    private func beginPause(_ topic: String, _ error: KafkaError) {
        probeWait = Self.firstProbeWait
        probeDue = .now + probeWait
        logger.error(
            "the topic rejects every record; publishing is paused until it accepts one",
            metadata: ["topic": "\(topic)", "error": "\(error.name)", "reason": "\(error.reason)"])
    }

    /// Whether a new record may be tried: what waits may be bad, and the topic good again.
    var isProbeWanted: Bool {
        breaker.pausedTopic != nil && alone.isEmpty && suspects.count < Self.mostProbes && undelivered == nil
            && producers.outstanding == 0 && ContinuousClock.now >= probeDue
    }

    /// Sends what was rejected in batches again, one record a batch, once nothing else is on its way.
    func isolate() {
        judge()
        guard undelivered == nil, isIsolating || isolation.records > 0, producers.outstanding == 0 else { return }
        guard isIsolating else { return endIsolation() }
        guard let client = singleClient() else { return }
        if breaker.pausedTopic != nil {
            // A new record comes first, which is likelier to be good than what was rejected already.
            guard alone.isEmpty, ContinuousClock.now >= probeDue + Self.grace, let record = suspects.popLast() else {
                return
            }
            probeWait = min(probeWait * 2, Self.longestProbeWait)
            probeDue = .now + probeWait
            sendAlone(record, client)
        } else {
            // The next ones follow when all have their reports.
            guard alone.isEmpty else { return }
            suspects.sort { $0.id > $1.id }
            while alone.count < Self.mostAlone, breaker.pausedTopic == nil, let record = suspects.popLast() {
                sendAlone(record, client)
            }
        }
    }

    private func sendAlone(_ record: KafkaRecord, _ client: KafkaProducer) {
        alone[record.id] = record
        handOver(record, to: client)
    }

    private func singleClient() -> KafkaProducer? {
        if let single { return single }
        single = make { () throws(Failure) in
            try KafkaProducer(
                kafka, of: 2, batching: KafkaBatching(bytes: batchBytes, isSingle: true), outage: outage,
                logger: logger)
        }
        return single
    }

    /// Lowers the size of batches when that was the reason. Nothing is on its way.
    private func endIsolation() {
        let (records, isAboutSize, accepted) = isolation
        isolation = (0, false, 0)
        guard isAboutSize, records > 1, accepted > 0 else { return }
        let old = producers.batchBytes
        let limit = topicLimit() ?? .max
        setBatchBytes(limit < old ? limit : max(1024, old / 2))
        logger.warning(
            "Kafka rejects batches of this size; sending smaller ones",
            metadata: [
                "batch_bytes": .stringConvertible(old), "new_batch_bytes": .stringConvertible(producers.batchBytes),
            ])
    }

    /// Publishes events with the numbers of rejects in their place, so that the loader settles them.
    func declare() {
        while !verdicts.isEmpty, failure == nil, undelivered == nil {
            let (record, reason) = verdicts.removeFirst()
            let headers = record.headers
            logger.error(
                "a line cannot be published; it is recorded as a reject",
                metadata: [
                    "stream": "\(headers.stream)", "journal": "\(headers.journal)",
                    "seq": .stringConvertible(headers.seq),
                    "reason": "\(reason)",
                ])
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
