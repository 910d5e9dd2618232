import Core
import FoundationEssentials

/// How far Kafka has acknowledged the journal: a small file that is replaced as a whole.
package struct Checkpoint: Codable, Sendable, Equatable {
    /// Id of the journal that the number belongs to.
    package var journal: String
    /// Every line up to and with this sequence number is acknowledged; 0 at the start.
    package var acknowledged: Int64
    /// The topic that rejects every record, so that publishing is paused; nil when it is not.
    package var pausedTopic: String?

    private enum CodingKeys: String, CodingKey {
        case journal, acknowledged
        case pausedTopic = "paused_topic"
    }

    static let fileName = "checkpoint.json"

    package init(journal: String, acknowledged: Int64) {
        self.journal = journal
        self.acknowledged = acknowledged
    }

    /// Writes the checkpoint; after a crash the file holds either this one or the one before.
    package func write(to folder: String) throws(FileError) {
        let paused = pausedTopic.map { ",\"paused_topic\":\(JSONText.string($0))" } ?? ""
        try JournalFolder.replace(
            Self.fileName, in: folder,
            with: "{\"journal\":\"\(journal)\",\"acknowledged\":\(acknowledged)\(paused)}\n", at: .checkpoint)
    }

    /// Reads the checkpoint of a journal folder; nil when none was ever written.
    ///
    /// - Throws: `Failure` (74) when the file is damaged or belongs to another journal.
    package static func read(from folder: String, journal: String) throws(Failure) -> Checkpoint? {
        let path = folder + "/" + fileName
        let bytes: [UInt8]
        do { bytes = try readWholeFile(path) } catch {
            if error.isMissingFile { return nil }
            throw Failure(.disk, "\(error)")
        }
        guard let checkpoint = try? JSONDecoder().decode(Checkpoint.self, from: Data(bytes)),
            checkpoint.acknowledged >= 0
        else {
            throw Failure(
                .disk,
                "\(path) is damaged. Remove it to publish the whole journal again; the loader drops what it already has."
            )
        }
        guard checkpoint.journal == journal else {
            throw Failure(
                .disk,
                "\(path) belongs to journal \(checkpoint.journal), but this folder is journal \(journal)."
                    + " Remove the checkpoint to publish the whole journal again.")
        }
        return checkpoint
    }
}
