/// What a producer knows of itself, in an event of type `alive`. Nil is unknown.
///
/// Any program may write to the topic, and later versions may add members: who reads this checks each value.
package struct ProducerState: Codable, Sendable, Equatable {
    /// Whether the stream is connected.
    package var isConnected: Bool?
    /// Whether another producer reads the stream, and this one is ready to take over.
    package var isPassive: Bool?
    /// When the last post was received, RFC 3339.
    package var lastPostAt: String?
    /// When the oldest line was received that Kafka has not acknowledged, RFC 3339; nil also when there is none.
    package var oldestUnacknowledgedAt: String?
    /// Posts of the day (UTC) and of the billing cycle, by the producer's own count.
    package var postsToday: Int64?
    package var postsOfCycle: Int64?
    /// MAX_POSTS_PER_DAY and MAX_POSTS_PER_MONTH; nil for no limit.
    package var limitPerDay: Int64?
    package var limitPerCycle: Int64?
    /// Bytes of the stream's folder.
    package var journalBytes: Int64?
    /// Bytes that the journal's disk has left.
    package var availableBytes: Int64?
    /// Rules at X that belong to the producer.
    package var rules: Int64?
    /// HEARTBEAT in milliseconds: when the next such event is due.
    package var interval: Int64?

    private enum CodingKeys: String, CodingKey {
        case isConnected = "connected"
        case isPassive = "passive"
        case lastPostAt = "last_post_at"
        case oldestUnacknowledgedAt = "oldest_unacknowledged_at"
        case postsToday = "posts_today"
        case postsOfCycle = "posts_of_cycle"
        case limitPerDay = "limit_per_day"
        case limitPerCycle = "limit_per_cycle"
        case journalBytes = "journal_bytes"
        case availableBytes = "available_bytes"
        case rules
        case interval = "interval_ms"
    }

    package init() {}
}
