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
    /// Bytes that the stream's folder may take, archive included; nil for no limit.
    package var quota: Int64?
    /// Bytes of the quota, and of the disk, that are kept for what must be written when nothing else can be.
    package var reserve: Int64 = 4 << 20

    package init() {}
}
