import Core

/// Why the stream is not connected.
struct StreamInterruption: Sendable, Equatable {
    /// Since when.
    var since: Timestamp
    /// The cause of the last attempt's end, as the log and the gap ledger have it; nil before the first one has ended.
    var cause: String?
    var detail: String?
}
