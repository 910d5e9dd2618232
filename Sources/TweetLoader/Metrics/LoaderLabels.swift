import Core
import Postgres
import TweetFormat

/// Why Kafka's group was left and rejoined.
enum RejoinReason: String, MetricLabel {
    /// Another loader had claimed a partition.
    case fence
    /// PostgreSQL had lost what it had confirmed.
    case setBack = "set_back"
    /// Loading continues after messages that Kafka deleted.
    case hole
    /// Kafka ended the membership.
    case kafka
}

/// Of which of the two topics a message is.
enum ConsumedTopic: String, MetricLabel {
    case tweets, events
}

/// What became of a message.
enum SettledOutcome: String, MetricLabel {
    /// A new tweet.
    case inserted
    /// A tweet that was there already.
    case duplicate
    /// A line that was settled before, under another offset.
    case repeated
    case reject, event, deletion
    /// A line that was read for an account which was removed since.
    case discarded
}

/// Why a message became a reject, as the column `rejects.reason` has it.
enum RejectReason: String, MetricLabel {
    case notJSON = "not_json"
    case tooDeep = "too_deep"
    case numberOutOfRange = "number_out_of_range"
    case tooLarge = "too_large"
    case notATweet = "not_a_tweet"
    case badID = "bad_id"
    case tombstoneWithoutID = "tombstone_without_id"
    case lineTooLong = "line_too_long"
    case refusedByKafka = "refused_by_kafka"
    case database, other
}

/// What asked for tweets to be deleted.
enum DeletionKind: String, MetricLabel {
    /// A message without a value.
    case tombstone
}

/// What became of a transaction.
enum TransactionOutcome: String, MetricLabel {
    case committed
    /// It failed, and was sent again.
    case retried
    /// It took too long or was too large, and was sent again in parts.
    case split
}

/// What the loader does about an error of PostgreSQL.
enum DatabaseReaction: String, MetricLabel {
    case wait, retry, split, reject
    /// A person must act; it is retried meanwhile.
    case person

    init(_ disposition: PostgresError.Disposition) {
        self =
            switch disposition {
            case .wait: .wait
            case .retry: .retry
            case .split: .split
            case .rejectRow: .reject
            case .refused: .person
            }
    }
}

/// Who shows a certificate.
enum CertificatePeer: String, MetricLabel {
    case postgresql
    /// Ourselves, to Kafka.
    case kafkaClient = "kafka_client"
}
