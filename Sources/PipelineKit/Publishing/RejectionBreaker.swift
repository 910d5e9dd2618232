/// Decides whether rejected records are at fault or their topic is.
///
/// One bad record among good ones is a reject at once. A topic that rejects `limit` records in a row, each sent alone, with no
/// accepted one in between, is at fault itself: records wait until it accepts one again.
struct RejectionBreaker {
    /// Rejections in a row that pause delivery; one less become rejects.
    static let limit = 5

    /// Rejections since the last accepted record, for each topic that has any.
    private var streaks: [String: Int] = [:]

    /// The topic that is at fault; nil when none is.
    var pausedTopic: String? { streaks.first { $0.value >= Self.limit }?.key }

    /// Whether a topic has rejected records since it last accepted one.
    func isWatching(_ topic: String) -> Bool { !streaks.isEmpty && streaks[topic] != nil }

    /// Takes note of a record that was rejected alone; true when the record is at fault.
    mutating func reject(_ topic: String) -> Bool {
        let streak = streaks[topic, default: 0] + 1
        streaks[topic] = streak
        return streak < Self.limit
    }

    /// Takes note of an accepted record; true when that ends a pause.
    mutating func accept(_ topic: String) -> Bool {
        (streaks.removeValue(forKey: topic) ?? 0) >= Self.limit
    }
}
