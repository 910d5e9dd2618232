package import Core
package import KafkaClient
package import Logging

/// Delivers records to Kafka until each is acknowledged, or declared a reject. Owned by one thread.
///
/// A broker rejects whole batches, whatever is wrong with one record. So the records of a rejected batch are sent again, each
/// as a batch of its own, before anything new is handed over. Only what is rejected alone becomes a reject: an event with
/// its number takes its place. When a topic rejects record after record, delivery pauses (`RejectionBreaker`).
///
/// What cannot be delivered at all is in `undelivered`: the owner calls `restart` and hands over again what is not
/// acknowledged.
package final class Delivery {
    /// Where records go.
    package struct Topics {
        package let tweets: NewTopic
        /// For everything that is no tweet, reject events included.
        package let events: NewTopic

        package init(tweets: NewTopic, events: NewTopic) { (self.tweets, self.events) = (tweets, events) }
    }

    package let topics: Topics
    let counts: PublishCounts
    let logger: Logger
    let stop: Stop
    /// Called while a record waits: for room, for others that are isolated, or for the end of a pause.
    package var onWait: () -> Void = {}
    let kafka: KafkaConfiguration
    let outage: KafkaOutage
    private let isStopped: () -> Bool
    /// Gets the number and the reason of each record that becomes a reject.
    package var onReject: (Int64, String) -> Void = { _, _ in }

    /// Which records Kafka has acknowledged, reject events in their place included.
    package private(set) var acknowledged: AcknowledgedLines
    /// Why records have to be handed over again; nil while all goes well.
    package private(set) var undelivered: KafkaError?
    private(set) var producer: KafkaProducer
    /// The client whose batches are single records; made when it is first needed.
    var single: KafkaProducer?
    private var window: DeliveryWindow
    /// The most bytes of a batch; nil for what the properties say.
    var batchBytes: Int?
    /// How many numbers the newest record may be ahead of the first one without an acknowledgement, `KafkaProducer.mostUnderWay`
    /// unless a test needs less.
    private let mostUnderWay: Int64
    /// Between attempts to deliver without an acknowledgement.
    private var backoff = Backoff(first: .milliseconds(100), longest: .seconds(20))

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
    /// A reject event that its topic rejects, too: delivery is paused until that topic accepts it.
    var stuck: KafkaRecord?
    /// Topics of records that may show that a topic accepts records again.
    var watched: [Int64: String] = [:]
    var probeDue = ContinuousClock.now
    var probes = Delivery.newProbes
    /// Acknowledgements that are not counted yet.
    private var tally = DeliveryTally()
    /// The current isolation: number of records, whether the batch's size was the reason, and how many were accepted.
    var isolation = (records: 0, isAboutSize: false, accepted: 0)

    /// - Parameters:
    ///   - kafka: properties of the clients.
    ///   - topics: where records go.
    ///   - acknowledged: the last number that was acknowledged before.
    ///   - mostUnderWay: how many numbers there may be between the first record without an acknowledgement and the newest one.
    ///   - counts: what is counted.
    ///   - stop: ends waits.
    ///   - logger: gets what happens.
    ///   - isStopped: whether nothing is to be handed over any more.
    /// - Throws: `KafkaClientError` when librdkafka rejects a property.
    package init(
        _ kafka: KafkaConfiguration, topics: Topics, acknowledged: Int64 = 0,
        mostUnderWay: Int64 = KafkaProducer.mostUnderWay, counts: PublishCounts = PublishCounts(), stop: Stop,
        logger: Logger, isStopped: @escaping () -> Bool
    ) throws(KafkaClientError) {
        self.mostUnderWay = mostUnderWay
        self.counts = counts
        (self.kafka, self.topics, self.stop, self.logger) = (kafka, topics, stop, logger)
        self.isStopped = isStopped
        self.acknowledged = AcknowledgedLines(through: acknowledged)
        outage = KafkaOutage(logger)
        window = DeliveryWindow(socketTimeout: try kafka.current().socketTimeout)
        producer = try KafkaProducer(kafka, outage: outage, logger: logger)
        producer.window = window.bytes
    }

    // MARK: Handing over

    /// Hands one record to Kafka; waits while the queue is full, an old record has no acknowledgement, records are isolated, or
    /// delivery is paused.
    ///
    /// Returns early when `undelivered` is set or the owner is stopped.
    ///
    /// - Parameters:
    ///   - value: its bytes, which are copied.
    ///   - key: the record's key.
    ///   - topic: the topic it is for.
    ///   - headers: its headers.
    ///   - id: its number; greater than zero.
    package func enqueue(
        _ value: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, topic: String, headers: RecordHeaders, id: Int64
    ) {
        while isIsolating || isTooFarAhead(id), undelivered == nil, !isStopped() {
            if isIsolating, isProbeWanted(topic) {
                suspects.append(
                    unsafe KafkaRecord(
                        id: id, topic: topic, key: Array(key), value: Array(value), headers: headers))
                probeDue -= .seconds(1)
                return poll()
            }
            poll(atMost: .milliseconds(50))
            onWait()
        }
        unsafe handOver(value, key: key, topic: topic, headers: headers, id: id)
    }

    /// Whether records must be acknowledged first: who looks from outside counts on that (`tweet-loader verify`).
    private func isTooFarAhead(_ id: Int64) -> Bool {
        id - acknowledged.through > mostUnderWay && producer.outstanding > 0
    }

    /// Declares a line that the disk has changed.
    package func declareDamaged(_ value: UnsafeRawBufferPointer, headers: RecordHeaders, id: Int64) {
        let record = unsafe KafkaRecord(id: id, topic: "", key: [], value: Array(value), headers: headers)
        verdicts.append((record, "damaged_on_disk"))
    }

    /// Passes over numbers that will never be handed over.
    package func skip(_ ids: ClosedRange<Int64>) { acknowledged.skip(ids) }

    private func handOver(
        _ value: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, topic: String, headers: RecordHeaders, id: Int64,
        to single: KafkaProducer? = nil
    ) {
        let producer = single ?? producer
        while undelivered == nil, !isStopped() {
            do throws(KafkaError) {
                try unsafe producer.enqueue(topic: topic, key: key, value: value, headers: headers, id: id)
                window.noteSent(id)
                if topic != topics.tweets.name { tally.noteEvent(id, bytes: value.count) }
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
        takeReports(of: producer, within: .milliseconds(100), isAlone: isAlone)
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
    package func poll(atMost duration: Duration = .zero) {
        takeReports(within: duration)
        isolate()
        declare()
        acknowledged.settle()
    }

    private func takeReports(of client: KafkaProducer, within duration: Duration, isAlone: Bool) {
        for report in client.poll(timeout: duration) { take(report, isAlone: isAlone) }
        tally.bytes += client.takeAcknowledgedBytes()
    }

    private func takeReports(within duration: Duration) {
        takeReports(of: producer, within: alone.isEmpty ? duration : .zero, isAlone: false)
        if let single { takeReports(of: single, within: alone.isEmpty ? .zero : duration, isAlone: true) }
        counts.queued.set(Int64(producer.queued + (single?.queued ?? 0)))
        if tally.add(to: counts) { counts.connected.set(true) } else if outage.isOngoing { counts.connected.set(false) }
        guard undelivered == nil else { return }
        if let error = producer.takeTimeOut(), window.mayBeAtFault(producer.outstanding) { undelivered = error }
        undelivered = undelivered ?? producer.renewal
    }

    private func take(_ report: DeliveryReport, isAlone: Bool) {
        if window.noteReport(report.id, isAcknowledged: report.error == nil) {
            producer.window = window.bytes
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
        backoff.reset()
        tally.accept(id)
        var topic = watched.isEmpty ? nil : watched.removeValue(forKey: id)
        if !alone.isEmpty, let record = alone.removeValue(forKey: id) {
            isolation.accepted += 1
            if !declared.contains(id) {
                topic = record.topic
                acceptedTopics.insert(record.topic)
            }
        }
        if stuck?.id == id {
            topic = stuck?.topic
            stuck = nil
        } else if topic.map(breaker.isWatching) != true {
            return
        }
        guard let topic, breaker.accept(topic) || declared.contains(id) else { return }
        logger.info("the topic accepts records again; publishing continues", metadata: ["topic": "\(topic)"])
        suspects.sort { $0.id > $1.id }
    }

    // MARK: Clients

    /// Makes the client anew, after a pause that grows. An idempotent producer that failed for one record cannot promise
    /// order for the next.
    ///
    /// - Parameter through: the last number that counts as acknowledged; nil for what is.
    /// - Returns: false when that is not possible yet.
    package func restart(through: Int64? = nil) -> Bool {
        guard let error = undelivered else { return true }
        logger.warning("delivery to Kafka failed; sending unacknowledged lines again", metadata: ["error": "\(error)"])
        counts.failures[PublishFailure(error.disposition)].add()
        if error.isTimeOut { window.timeOut(outstanding: producer.outstanding) }
        stop.wait(for: backoff.next())
        window.restart()
        guard renew() else { return false }
        counts.restarts.add()
        single = nil
        tally.restart()
        (suspects, alone, verdicts, declared, watched) = ([], [:], [], [], [:])
        (rejectedAlone, acceptedTopics, stuck) = ([], [], nil)
        isolation = (0, false, 0)
        undelivered = nil
        if let through { acknowledged = AcknowledgedLines(through: through) }
        return true
    }

    /// Abandons what has no report, before an end that leaves it to the journal.
    package func purge() { producer.purge() }

    /// Makes a new client from what the files contain now.
    ///
    /// - Returns: false when that is not possible, which must not end a running service.
    func renew() -> Bool {
        let made = make { () throws(KafkaClientError) in
            try KafkaProducer(kafka, batching: KafkaBatching(bytes: batchBytes), outage: outage, logger: logger)
        }
        guard let made else { return false }
        producer = made
        producer.window = window.bytes
        return true
    }

    func make<Client>(_ client: () throws(KafkaClientError) -> Client) -> Client? {
        do throws(KafkaClientError) { return try client() } catch {
            logger.error("cannot create a Kafka client; retrying", metadata: ["error": "\(error)"])
            return nil
        }
    }
}
