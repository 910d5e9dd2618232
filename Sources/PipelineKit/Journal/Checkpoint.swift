import Core

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

    private static func file(in folder: String) -> StateFile<Checkpoint> {
        StateFile(fileName, in: folder, at: .checkpoint)
    }

    /// Writes the checkpoint; after a crash the file holds either this one or the one before.
    package func write(to folder: String) throws(FileError) { try Self.file(in: folder).write(self) }

    /// Reads the checkpoint of a journal folder; nil when none was written yet.
    ///
    /// - Throws: `JournalError`: `rebuild` when the file is damaged or belongs to another journal.
    package static func read(from folder: String, journal: String) throws(JournalError) -> Checkpoint? {
        let file = file(in: folder)
        let read: Checkpoint?
        do throws(FileError) { read = try file.read() } catch {
            throw error.isDamaged ? damaged(file.path) : JournalError(.operator(.disk), "\(error)")
        }
        guard let checkpoint = read else { return nil }
        guard checkpoint.acknowledged >= 0 else { throw damaged(file.path) }
        guard checkpoint.journal == journal else {
            throw JournalError(
                .rebuild,
                "\(file.path) belongs to journal \(checkpoint.journal), but this folder is journal \(journal)."
                    + " Remove the checkpoint to publish the whole journal again.")
        }
        return checkpoint
    }

    private static func damaged(_ path: String) -> JournalError {
        JournalError(
            .rebuild,
            "\(path) is damaged. Remove it to publish the whole journal again; the loader drops what it already has.")
    }
}
