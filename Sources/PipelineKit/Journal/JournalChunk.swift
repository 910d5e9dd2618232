import TweetFormat

/// Lines and events that are appended together, by a thread that does not read the stream: what a repair has found, or a watch
/// has to record.
package struct JournalChunk: Sendable {
    package var lines: [[UInt8]]
    /// Marks the lines.
    package var connection: Int64
    package var events: [PipelineEvent]

    /// - Parameters:
    ///   - lines: as X sent them.
    ///   - connection: marks them.
    ///   - events: come behind the lines.
    package init(lines: [[UInt8]] = [], connection: Int64 = 0, events: [PipelineEvent] = []) {
        self.lines = lines
        self.connection = connection
        self.events = events
    }
}

/// Where something was appended: its last line's number, which counts only until the journal is recovered after a failure.
package struct JournalPosition: Sendable, Equatable {
    package let seq: Int64
    /// How many failures there had been.
    let epoch: Int
}
