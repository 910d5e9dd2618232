import Core
import TweetFormat

/// Counts the posts of each minute in which one connection was open from its beginning to its end, so that the listeners of a
/// stream can be compared.
struct MinuteTally {
    /// The minute that is being counted, in minutes since 1970, and how many posts the connection had at its beginning.
    private var minute: Int64?
    private var isWhole = false
    private var before: Int64 = 0
    private var connection: Int64 = 0

    /// Looks at the posts of a connection.
    ///
    /// - Parameters:
    ///   - posts: how many it has brought.
    ///   - connection: its id.
    ///   - now: the time.
    /// - Returns: the event of a minute that has ended; nil while it lasts, and for one that was not counted from its beginning.
    mutating func look(posts: Int64, connection: Int64, at now: Timestamp) -> PipelineEvent? {
        let current = now.milliseconds / 60_000
        guard connection == self.connection, let minute else {
            (self.connection, minute, isWhole, before) = (connection, current, false, posts)
            return nil
        }
        guard current != minute else { return nil }
        // A look that comes later than the minute after it counts for no minute.
        let isCounted = isWhole && current == minute + 1
        var event = PipelineEvent(.tally, at: Timestamp(milliseconds: minute * 60_000), connection: connection)
        event.lines = posts - before
        (self.minute, isWhole, before) = (current, current == minute + 1, posts)
        return isCounted ? event : nil
    }
}
