import Core
import Journal
import KafkaClient
import Logging

/// Delivers records to Kafka until each is acknowledged, or declared a reject. Owned by one thread.
///
/// A broker rejects whole batches, whatever is wrong with one record. So the records of a rejected batch are sent again, each
/// as a batch of its own, before anything new is handed over. Only what is rejected alone becomes a reject: an event with
/// its number takes its place. When a topic rejects record after record, delivery pauses (`RejectionBreaker`).
///
/// What cannot be delivered at all is in `undelivered`: the owner calls `restart` and hands over again what is not
/// acknowledged.
final class Delivery {
    /// Where records go.
    struct Topics {
        let tweets: NewTopic
        /// For everything that is no tweet, reject events included.
        let events: NewTopic
    }

    let topics: Topics
    let logger: Logger
    let stop: Stop
    /// Called while a record waits: for room, for others that are isolated, or for the end of a pause.
    var onWait: () -> Void = {}
    let kafka: KafkaConfiguration
    let outage: KafkaOutage
    private let isStopped: () -> Bool
    /// Gets the number and the reason of each record that becomes a reject.
    var onReject: (Int64, String) -> Void = { _, _ in }

    /// Which records Kafka has acknowledged, reject events in their place included.
    private(set) var acknowledged: AcknowledgedLines
    /// Why records have to be handed over again; nil while all goes well.
    private(set) var undelivered: KafkaError?
    private(set) var producers: KafkaProducers
    /// The client whose batches are single records; made when it is first needed.
    var single: KafkaProducer?
    private var window: DeliveryWindow
    /// The most bytes of a batch; nil for what the properties say.
    var batchBytes: Int?
    /// Attempts to deliver since the last acknowledgement.
    private var failures = 0
    /// What ends the service, found where nothing can be thrown.
    var failure: Failure?

    /// Records of rejected batches, the one with the smallest number last.
    var suspects: [KafkaRecord] = []
    /// Records handed to the single client, without report yet.
    var alone: [Int64: KafkaRecord] = [:]
    /// Those of them that were rejected, and the topics that accepted some.
    var rejectedAlone: [(record: KafkaRecord, error: KafkaError)] = []
    var acceptedTopics: Set<String> = []
    /// Records that are rejects, and why; their events are yet to be handed over.
    var verdicts: [(record: KafkaRecord, reason: String)] = []
    /// Numbers of records whose reject event was handed over.
    var declared: Set<Int64> = []
    var breaker = RejectionBreaker()
    /// Topics of records that may show that a topic accepts records again.
    var watched: [Int64: String] = [:]
    var probeDue = ContinuousClock.now
    var probeWait = Duration.seconds(1)
    /// Of the isolation that goes on: how many records, whether the batch's size was the reason, and how many were accepted.
    var isolation = (records: 0, isAboutSize: false, accepted: 0)

    /// - Parameters:
    ///   - kafka: properties of the clients.
    ///   - topics: where records go.
    ///   - acknowledged: the last number that was acknowledged before.
    ///   - stop: ends waits.
    ///   - logger: gets what happens.
    ///   - isStopped: whether nothing is to be handed over any more.
    /// - Throws: `Failure` (78) when librdkafka rejects a property.
    init(
        _ kafka: KafkaConfiguration, topics: Topics, acknowledged: Int64 = 0, stop: Stop, logger: Logger,
        isStopped: @escaping () -> Bool
    ) throws(Failure) {
        (self.kafka, self.topics, self.stop, self.logger) = (kafka, topics, stop, logger)
        self.isStopped = isStopped
        self.acknowledged = AcknowledgedLines(through: acknowledged)
        outage = KafkaOutage(logger)
        window = DeliveryWindow(socketTimeout: try kafka.current().socketTimeout)
        producers = try KafkaProducers(kafka, outage: outage, logger: logger)
        producers.limitOutstanding(window.bytes)
    }

    // MARK: Handing over

    /// Hands one record to Kafka; waits while the queue is full, records are isolated, or delivery is paused.
    ///
    /// Returns early when `undelivered` is set or the owner is stopped.
    ///
    /// - Parameters:
    ///   - value: its bytes, which stand in `block` if that is given.
    ///   - block: the memory that holds them for as long as librdkafka needs them; nil to copy them.
    ///   - key: the record's key.
    ///   - topic: the topic it is for.
    ///   - headers: its headers.
    ///   - id: its number; greater than zero.
    /// - Throws: `Failure` when not even a reject event is accepted.
    func enqueue(
        _ value: UnsafeRawBufferPointer, in block: ByteBlock? = nil, key: UnsafeRawBufferPointer, topic: String,
        headers: RecordHeaders, id: Int64
    ) throws {
        while isIsolating, undelivered == nil, !isStopped() {
            if isProbeWanted {
                suspects.append(
                    unsafe KafkaRecord(
                        id: id, topic: topic, key: Array(key), value: Array(value), headers: headers))
                probeDue -= .seconds(1)
                return try poll()
            }
            try poll(atMost: .milliseconds(50))
            onWait()
        }
        unsafe handOver(value, in: block, key: key, topic: topic, headers: headers, id: id)
    }

    /// Declares a line that the disk has changed.
    func declareDamaged(_ value: UnsafeRawBufferPointer, headers: RecordHeaders, id: Int64) {
        let record = unsafe KafkaRecord(id: id, topic: "", key: [], value: Array(value), headers: headers)
        verdicts.append((record, "damaged_on_disk"))
    }

    /// Passes over numbers that will never be handed over.
    func skip(_ ids: ClosedRange<Int64>) { acknowledged.skip(ids) }

    private func handOver(
        _ value: UnsafeRawBufferPointer, in block: ByteBlock? = nil, key: UnsafeRawBufferPointer, topic: String,
        headers: RecordHeaders, id: Int64, to single: KafkaProducer? = nil
    ) {
        let shared = unsafe producers.client(for: key)
        let producer = single ?? shared
        while undelivered == nil, !isStopped() {
            do throws(KafkaError) {
                try unsafe producer.enqueue(
                    topic: topic, key: key, value: value, in: block, headers: headers, id: id)
                window.noteSent(id)
                if breaker.isWatching(topic), !declared.contains(id) { watched[id] = topic }
                return
            } catch {
                switch error.disposition {
                case .queueFull: awaitRoom(producer, isAlone: single != nil)
                case .rejectRecord:
                    let record = unsafe KafkaRecord(
                        id: id, topic: topic, key: Array(key), value: Array(value), headers: headers)
                    return reject(record, error, isAlone: true)
                case .retry, .rebuild, .settings: undelivered = error
                }
            }
        }
    }

    private func awaitRoom(_ producer: KafkaProducer, isAlone: Bool) {
        window.noteFull()
        for report in producer.poll(timeout: .milliseconds(100)) { take(report, isAlone: isAlone) }
        takeReports(within: .zero)
        onWait()
    }

    func handOver(_ record: KafkaRecord, to client: KafkaProducer? = nil) {
        unsafe record.key.withUnsafeBytes { key in
            unsafe record.value.withUnsafeBytes { value in
                unsafe handOver(
                    value, key: key, topic: record.topic, headers: record.headers, id: record.id, to: client)
            }
        }
    }

    // MARK: Reports

    /// Takes delivery reports, for at most `duration`, and does what they ask for.
    ///
    /// - Throws: `Failure` (69) when a topic rejects even the reject event of a record.
    func poll(atMost duration: Duration = .zero) throws {
        takeReports(within: duration)
        isolate()
        declare()
        if let failure { throw failure }
    }

    private func takeReports(within duration: Duration) {
        producers.poll(within: alone.isEmpty ? duration : .zero) { take($0, isAlone: false) }
        if let single {
            for report in single.poll(timeout: alone.isEmpty ? .zero : duration) { take(report, isAlone: true) }
        }
        guard undelivered == nil else { return }
        if let error = producers.takeTimeOut(), window.mayBeAtFault(producers.outstanding) { undelivered = error }
        undelivered = undelivered ?? producers.renewal
    }

    private func take(_ report: DeliveryReport, isAlone: Bool) {
        if window.noteReport(report.id, isAcknowledged: report.error == nil) {
            producers.limitOutstanding(window.bytes)
        }
        guard let error = report.error else { return accept(report.id) }
        switch error.disposition {
        case .queueFull: break
        case .rejectRecord:
            if let record = report.rejected {
                reject(record, error, isAlone: isAlone)
            } else {
                undelivered = undelivered ?? error
            }
        case .retry, .rebuild, .settings: undelivered = undelivered ?? error
        }
    }

    private func accept(_ id: Int64) {
        acknowledged.acknowledge(id)
        failures = 0
        var topic = watched.isEmpty ? nil : watched.removeValue(forKey: id)
        if !alone.isEmpty, let record = alone.removeValue(forKey: id) {
            isolation.accepted += 1
            if !declared.contains(id) {
                topic = record.topic
                acceptedTopics.insert(record.topic)
            }
        }
        guard let topic, breaker.isWatching(topic) else { return }
        if breaker.accept(topic) {
            logger.info("the topic accepts records again; publishing continues", metadata: ["topic": "\(topic)"])
            suspects.sort { $0.id > $1.id }
        }
    }

    // MARK: Clients

    /// Makes the clients anew, after a pause that grows. An idempotent producer that failed for one record cannot promise
    /// order for the next.
    ///
    /// - Parameter through: the last number that counts as acknowledged; nil for what is.
    /// - Returns: false when that is not possible yet.
    func restart(through: Int64? = nil) -> Bool {
        guard let error = undelivered else { return true }
        logger.warning("delivery to Kafka failed; sending unacknowledged lines again", metadata: ["error": "\(error)"])
        if error.isTimeOut { window.timeOut(outstanding: producers.outstanding) }
        stop.wait(for: .milliseconds(min(30_000, 100 << min(failures, 10))))
        failures += 1
        window.restart()
        guard renew() else { return false }
        single = nil
        (suspects, alone, verdicts, declared, watched) = ([], [:], [], [], [:])
        (rejectedAlone, acceptedTopics) = ([], [])
        isolation = (0, false, 0)
        undelivered = nil
        if let through { acknowledged = AcknowledgedLines(through: through) }
        return true
    }

    /// Abandons what has no report, before an end that leaves it to the journal.
    func purge() { producers.purge() }

    /// The topic that rejects every record; nil when delivery is not paused.
    var pausedTopic: String? { breaker.pausedTopic }

    func setBatchBytes(_ bytes: Int) {
        guard bytes < producers.batchBytes else { return }
        batchBytes = bytes
        _ = renew()
        single = nil
    }

    /// Makes clients of what the files say by now; false when they are of no use, which must not end a service that runs.
    func renew() -> Bool {
        let made = make { () throws(Failure) in
            try KafkaProducers(kafka, batching: KafkaBatching(bytes: batchBytes), outage: outage, logger: logger)
        }
        guard let made else { return false }
        producers = made
        producers.limitOutstanding(window.bytes)
        return true
    }

    func make<Client>(_ client: () throws(Failure) -> Client) -> Client? {
        do throws(Failure) { return try client() } catch {
            logger.error("cannot create a Kafka client; retrying", metadata: ["error": "\(error)"])
            return nil
        }
    }
}
