internal import Core

/// What delivery counts of acknowledgements, gathered on its thread and added up once a poll.
///
/// Only events are looked up by number: they are few. The rest of the lines and of the bytes are those of tweets.
struct DeliveryTally {
    /// Bytes that were acknowledged and are not added up yet, of events and of tweets.
    var bytes = 0
    private var lines = (tweets: 0, events: 0)
    private var eventBytes = 0
    /// Bytes of the records on their way that are no tweets, by number.
    private var events: [Int64: Int] = [:]

    /// Takes note of a record for the topic of events that is handed over.
    ///
    /// - Parameters:
    ///   - id: its number. A record that is handed over again replaces the one before it.
    ///   - bytes: of its value.
    mutating func noteEvent(_ id: Int64, bytes: Int) {
        events[id] = bytes
    }

    /// Takes note of an acknowledgement; its bytes are added to `bytes`.
    mutating func accept(_ id: Int64) {
        guard !events.isEmpty, let bytes = events.removeValue(forKey: id) else { return lines.tweets += 1 }
        lines.events += 1
        eventBytes += bytes
    }

    /// Adds up what was noted.
    ///
    /// - Returns: whether anything was acknowledged.
    mutating func add(to counts: PublishCounts) -> Bool {
        guard lines != (0, 0) else { return false }
        counts.acknowledged[.tweets].add(lines.tweets)
        counts.acknowledged[.events].add(lines.events)
        counts.acknowledgedBytes[.tweets].add(bytes - eventBytes)
        counts.acknowledgedBytes[.events].add(eventBytes)
        (lines, bytes, eventBytes) = ((0, 0), 0, 0)
        return true
    }

    /// Forgets the records on their way, which are handed over again.
    mutating func restart() { events.removeAll() }
}
