import Core

/// The producer's facts about a line, as headers of the Kafka record.
///
/// A record without all of them was written by someone else: it settles by topic, partition and offset alone.
package struct RecordHeaders: Sendable, Equatable {
    /// The stream that the line came from.
    package var stream: String
    /// The journal folder that numbered it: 8 lower-case hexadecimal digits.
    package var journal: String
    /// The line's number, dense per stream and journal, from 1.
    package var seq: Int64
    /// When the line was read from the socket.
    package var receivedAt: Timestamp
    /// The connection it came on: milliseconds since 1970 at connect; 0 when it came on none.
    package var connection: Int64

    package init(stream: String, journal: String, seq: Int64, receivedAt: Timestamp, connection: Int64) {
        self.stream = stream
        self.journal = journal
        self.seq = seq
        self.receivedAt = receivedAt
        self.connection = connection
    }
}
