import CRdKafka
import Core

/// A failure that librdkafka or a broker reported.
package struct KafkaError: Error, CustomStringConvertible, Sendable {
    /// What a failure asks of us. The one place where Kafka's codes are judged.
    package enum Disposition: Sendable {
        /// Try again, later or elsewhere: brokers away, leaders moving, time-outs, missing rights that may come.
        case retry
        /// Too large, or against the topic's policy: this record, when it was sent alone, or some record of its batch.
        case rejectRecord
        /// librdkafka's queue is full for the moment.
        case queueFull
        /// The client instance is unusable and must be recreated (rdkafka.h, rd_kafka_fatal_error).
        case rebuild
        /// A setting is wrong.
        case settings
    }

    /// librdkafka's name of the code, such as `MSG_SIZE_TOO_LARGE` or `_TRANSPORT`.
    package let name: String
    /// librdkafka's text, without credentials.
    package let reason: String
    /// What was being done.
    package let operation: String
    package let disposition: Disposition
    /// Whether a smaller batch may be accepted.
    package let isAboutSize: Bool
    /// Whether a request timed out.
    package let isTimeOut: Bool
    /// Whether no broker answered at all.
    package let isAway: Bool
    /// The partition whose offset Kafka does not have: deleted by retention, or from before the topic was created again.
    package let offsetGone: TopicPartition?
    /// Whether another consumer has joined the group under this one's name (`group.instance.id`).
    package let isNameTaken: Bool

    init(
        _ code: rd_kafka_resp_err_t, _ operation: String, reason: String? = nil, of partition: TopicPartition? = nil,
        cause: rd_kafka_resp_err_t? = nil
    ) {
        name = unsafe String(cString: rd_kafka_err2name(cause ?? code))
        isNameTaken = cause == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
        self.reason = Redaction.clean(unsafe reason ?? String(cString: rd_kafka_err2str(code)))
        self.operation = operation
        disposition = Self.disposition(of: code)
        isAway = Self.isAway(code)
        isAboutSize = Self.isAboutSize(code)
        isTimeOut = Self.isTimeOut(code)
        let isGone = [RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE].contains(code)
        offsetGone = isGone ? partition : nil
    }

    /// Takes over an error object and frees it.
    init(consuming error: OpaquePointer, _ operation: String) {
        let code = unsafe rd_kafka_error_code(error)
        let isFatal = unsafe rd_kafka_error_is_fatal(error) != 0
        name = unsafe String(cString: rd_kafka_err2name(code))
        reason = Redaction.clean(unsafe String(cString: rd_kafka_error_string(error)))
        self.operation = operation
        disposition = isFatal ? .rebuild : Self.disposition(of: code)
        isAway = Self.isAway(code)
        isAboutSize = Self.isAboutSize(code)
        isTimeOut = Self.isTimeOut(code)
        offsetGone = nil
        isNameTaken = false
        unsafe rd_kafka_error_destroy(error)
    }

    private static func disposition(of code: rd_kafka_resp_err_t) -> Disposition {
        switch code {
        case RD_KAFKA_RESP_ERR__QUEUE_FULL: .queueFull
        case RD_KAFKA_RESP_ERR__FATAL: .rebuild
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
            .rejectRecord
        case RD_KAFKA_RESP_ERR__INVALID_ARG, RD_KAFKA_RESP_ERR__CONFLICT: .settings
        default: .retry
        }
    }

    private static func isAboutSize(_ code: rd_kafka_resp_err_t) -> Bool {
        [
            RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
        ].contains(code)
    }

    private static func isTimeOut(_ code: rd_kafka_resp_err_t) -> Bool {
        [
            RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        ].contains(code)
    }

    private static func isAway(_ code: rd_kafka_resp_err_t) -> Bool {
        [
            RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
            RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR__SSL,
            RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_CONTROLLER, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        ].contains(code)
    }

    package var description: String {
        "\(operation): \(name): \(reason)"
    }
}
