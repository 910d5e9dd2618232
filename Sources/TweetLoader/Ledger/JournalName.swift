import KafkaClient

/// A journal of a stream: its sequence numbers begin with 1 and have no holes.
struct JournalName: Hashable, Comparable, Sendable {
    let stream: String
    let journal: String

    init(stream: String, journal: String) {
        self.stream = stream
        self.journal = journal
    }

    init(_ headers: RecordHeaders) {
        self.init(stream: headers.stream, journal: headers.journal)
    }

    static func < (left: JournalName, right: JournalName) -> Bool {
        (left.stream, left.journal) < (right.stream, right.journal)
    }
}
