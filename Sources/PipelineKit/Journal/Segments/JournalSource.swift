/// What a reader needs to follow a journal that another thread writes.
package struct JournalSource: Sendable {
    package let stream: String
    /// Permanent id of the journal folder, 8 hexadecimal digits: sequence numbers are dense per stream and journal.
    package let journal: String
    /// The folder of this stream.
    package let folder: String
    /// How far the journal is durable.
    package let tail: JournalTail
    /// How much room it has.
    package let space: JournalSpace
    /// What is counted of it.
    package var counts = JournalCounts()

    /// The folder of the archive within the stream's folder.
    package static let archiveName = "archive"

    /// The path of the archive's folder, which need not be there.
    package var archive: String { folder + "/" + Self.archiveName }
}
