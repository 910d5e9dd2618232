/// When pending lines are made durable, and when a new segment begins.
package struct JournalOptions: Sendable {
    /// The longest a line waits for its fsync.
    package var syncDelay: Duration = .milliseconds(10)
    /// Pending bytes that are made durable without waiting.
    package var syncBytes = 1 << 20
    /// A segment that has grown to this many bytes is followed by a new one.
    package var segmentBytes: Int64 = 64 << 20
    /// A segment whose first line is this old is followed by a new one, also while the stream is idle.
    package var segmentAge: Duration = .seconds(3600)

    package init() {}
}
