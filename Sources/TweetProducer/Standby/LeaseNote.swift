import Core
import FoundationEssentials

/// What the holder of a lease leaves to the next one, in the group's commit: small, and never newer than what Kafka has.
struct LeaseNote: Codable, Equatable, Sendable {
    /// The journal of the producer that wrote it.
    var journal: String
    /// The host of that producer.
    var host: String
    /// When it was written, by the clock of that host; it is never compared, and makes each note differ from the one before.
    var writtenAt: Int64 = 0
    /// Whether that producer has ended in due form, so that nobody has to wait for it.
    var isReleased: Bool?
    /// When the last line of the stream that Kafka has was received, in milliseconds since 1970; nil before the first.
    var receivedAt: Int64?
    /// The greatest id among the last posts that Kafka has.
    var newestID: String?
    /// The newest connection attempts, in milliseconds since 1970.
    var attempts: [Int64] = []
    /// The connection that X has opened last.
    var opened: OpenedConnection?

    private enum CodingKeys: String, CodingKey {
        case journal, host, attempts, opened
        case receivedAt = "received_at"
        case newestID = "newest_id"
        case writtenAt = "written_at"
        case isReleased = "released"
    }

    /// X allows 50 attempts in 15 minutes. The broker keeps 4096 bytes.
    static let mostAttempts = 50

    init(journal: String, host: String) {
        (self.journal, self.host) = (journal, host)
    }

    /// Reads a note; nil for one that cannot be read.
    init?(_ text: String) {
        guard let note = try? JSONDecoder().decode(LeaseNote.self, from: Data(text.utf8)) else { return nil }
        self = note
    }

    /// What the group keeps.
    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Takes over what is known of the last line; it never goes back.
    mutating func advance(to receivedAt: Int64, newestID: Int64?) {
        if receivedAt > self.receivedAt ?? 0 { self.receivedAt = receivedAt }
        if let newestID, newestID > self.newestID.flatMap({ Int64($0) }) ?? 0 { self.newestID = String(newestID) }
    }
}
