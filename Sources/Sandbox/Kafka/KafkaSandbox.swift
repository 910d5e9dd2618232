import CRdKafka
import Core
import Glibc
import Synchronization

/// A Kafka cluster in this process: librdkafka's mock cluster (rdkafka_mock.h), which clients of any process can use.
///
/// It keeps only about 5 MiB or 100,000 messages a partition, elects no new leader when a broker is set down, and has
/// no CreateTopics request: topics are created here, or on first use with four partitions.
@safe
package final class KafkaSandbox: Sendable {
    /// The addresses for `bootstrap.servers`.
    package let bootstrapServers: String

    @safe
    private struct Handles: @unchecked Sendable {
        // Sendable and safe: the two live and die together under the lock, and librdkafka's functions may be called from any thread (INTRODUCTION.md, "Threads and callbacks").
        let client: OpaquePointer
        let cluster: OpaquePointer
    }

    private let handles: Mutex<Handles?>

    /// Starts a cluster.
    ///
    /// - Throws: `Failure` (unavailable) when librdkafka cannot listen on 127.0.0.1.
    package init(brokers: Int = 1, topics: [String: Int] = ["tweets": 12, "tweets.events": 1]) throws(Failure) {
        var reason = [CChar](repeating: 0, count: 512)
        let configuration = unsafe rd_kafka_conf_new()
        // The client only carries the mock cluster; it would warn on standard error that it has no servers.
        unsafe rd_kafka_conf_set(configuration, "log_level", "3", nil, 0)
        guard let client = unsafe rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &reason, reason.count) else {
            unsafe rd_kafka_conf_destroy(configuration)
            throw Failure(.unavailable, "Kafka sandbox: \(text(reason))")
        }
        guard let cluster = unsafe rd_kafka_mock_cluster_new(client, Int32(brokers)),
            let servers = unsafe rd_kafka_mock_cluster_bootstraps(cluster)
        else {
            unsafe rd_kafka_destroy(client)
            throw Failure(.unavailable, "Kafka sandbox: librdkafka could not start its mock cluster on 127.0.0.1")
        }
        bootstrapServers = unsafe String(cString: servers)
        handles = unsafe Mutex(Handles(client: client, cluster: cluster))
        for (name, partitions) in topics { try createTopic(name, partitions: partitions) }
    }

    deinit {
        destroy()
    }

    /// Ends the cluster and deletes its content.
    package func destroy() {
        handles.withLock { handles in
            guard let ended = handles.take() else { return }
            unsafe rd_kafka_mock_cluster_destroy(ended.cluster)
            unsafe rd_kafka_destroy(ended.client)
        }
    }

    /// Creates a topic.
    ///
    /// - Throws: `Failure` (badSettings) with librdkafka's reason, for instance that it exists.
    package func createTopic(_ name: String, partitions: Int) throws(Failure) {
        let code = unsafe call { unsafe rd_kafka_mock_topic_create($0, name, Int32(clamping: partitions), 1) }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw Failure(.badSettings, "topic \(name): \(unsafe String(cString: rd_kafka_err2str(code)))")
        }
    }

    /// Takes a broker (numbered from 1) away, or brings it back: its connections are cut and new ones refused.
    package func setBroker(_ broker: Int32 = 1, isUp: Bool) {
        _ = unsafe call { cluster in
            unsafe isUp
                ? rd_kafka_mock_broker_set_up(cluster, broker) : rd_kafka_mock_broker_set_down(cluster, broker)
        }
    }

    /// Delays every answer of a broker.
    package func setRoundTripTime(_ time: Duration, broker: Int32 = 1) {
        _ = unsafe call { unsafe rd_kafka_mock_broker_set_rtt($0, broker, Int32(clamping: time.milliseconds)) }
    }

    /// Gives a partition another leader.
    ///
    /// - Parameters:
    ///   - topic: its name.
    ///   - partition: its number.
    ///   - broker: from 1; nil for none, so that nothing can be read from it or written to it.
    package func setLeader(of topic: String, partition: Int32, broker: Int32?) {
        _ = unsafe call { unsafe rd_kafka_mock_partition_set_leader($0, topic, partition, broker ?? -1) }
    }

    /// Answers the next requests of a kind with errors, in order, then as usual.
    ///
    /// - Parameters:
    ///   - request: the request's number (protocol guide, "Api keys"): 0 Produce, 1 Fetch, 8 OffsetCommit, …
    ///   - errors: Kafka's error codes (protocol guide, "Error codes"); -195 (`_TRANSPORT`) cuts the connection.
    package func fail(request: Int16, with errors: [Int32]) {
        let codes = errors.map { rd_kafka_resp_err_t(rawValue: $0) }
        _ = unsafe call { cluster in
            unsafe rd_kafka_mock_push_request_errors_array(cluster, request, codes.count, codes)
            return RD_KAFKA_RESP_ERR_NO_ERROR
        }
    }

    /// Answers requests of a kind as usual again.
    package func succeed(request: Int16) {
        _ = unsafe call { cluster in
            unsafe rd_kafka_mock_clear_request_errors(cluster, request)
            return RD_KAFKA_RESP_ERR_NO_ERROR
        }
    }

    /// Makes a broker the coordinator of a consumer group.
    package func setCoordinator(ofGroup group: String, broker: Int32) {
        _ = unsafe call { unsafe rd_kafka_mock_coordinator_set($0, "group", group, broker) }
    }

    private func call(_ body: (OpaquePointer) -> rd_kafka_resp_err_t) -> rd_kafka_resp_err_t {
        handles.withLock { handles in
            guard let handles else { return RD_KAFKA_RESP_ERR__DESTROY }
            return unsafe body(handles.cluster)
        }
    }
}

/// The text in a buffer that C has filled.
private func text(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
