import Core

/// A line from X that is no post.
enum ControlKind: String, MetricLabel {
    /// It ends the connection.
    case disconnect
    /// It reports a problem, and the connection stays.
    case error
    case other
}

/// What came of an attempt to connect.
enum ConnectOutcome: String, MetricLabel {
    case connected
    /// No complete answer.
    case network
    /// X answered with another status than 200, or with something else than the stream.
    case http
    case rateLimited = "rate_limited"
    case tooManyConnections = "too_many_connections"
    /// No credits, or the cap is used up.
    case account
    case noRules = "no_rules"
    /// The token is rejected or cannot be read.
    case credentials
}

/// Why a connection ended.
enum DisconnectCause: String, MetricLabel {
    /// X closed it.
    case closed
    case reset
    /// Nothing came for X_STALL_TIMEOUT.
    case stall
    case timeout
    /// X said in the stream that it ends.
    case control
    /// The journal accepted no more.
    case disk
    case postLimit = "post_limit"
    /// Another producer has the lease of the stream.
    case standby
    case stop
    case other

    /// - Parameter cause: as the gap ledger has it.
    init(_ cause: String) {
        self = cause.isDisk ? .disk : DisconnectCause(rawValue: cause) ?? .other
    }
}

/// Why a gap began.
enum GapCause: String, MetricLabel {
    case closed, reset, stall, timeout, control, disk
    case postLimit = "post_limit"
    case standby, stop, crash, other

    /// - Parameter cause: as the gap ledger has it.
    init(_ cause: String) {
        self = cause.isDisk ? .disk : GapCause(rawValue: cause) ?? .other
    }
}

extension String {
    /// Whether it is one of the causes that `JournalOutage` names.
    fileprivate var isDisk: Bool { ["disk_full", "journal_full", "disk_error"].contains(self) }
}

/// What came of uploading a segment.
enum UploadResult: String, MetricLabel {
    case ok, failed
}

/// How an open gap can be filled.
enum NextRepair: String, MetricLabel {
    case notConnected = "not_connected"
    case recovery, search, none
}

/// By what a gap was filled.
enum RepairMethodLabel: String, MetricLabel {
    case backfill, recovery, search
}

/// What a repair came to, for one gap.
enum RepairResult: String, MetricLabel {
    case exact, approximate, failed
}

/// How rules at X differ from the file.
enum RuleDifferenceLabel: String, MetricLabel {
    case missing, changed, extra, taken
}

/// A time in which posts are counted.
enum PostWindow: String, MetricLabel {
    case day, cycle
}

/// Who shows a certificate.
enum TLSPeer: String, MetricLabel {
    case x, s3
    /// Ourselves, to Kafka.
    case kafkaClient = "kafka_client"
}
