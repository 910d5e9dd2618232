/// What becomes of closed and acknowledged segments.
package struct ArchiveOptions: Sendable {
    /// Whether lines are stored as gzip files.
    package var isCompressed = true
    package var keep = ArchiveKeep.all
    package var whenFull = JournalFullPolicy.stop
    /// What is in the bucket: nothing else is removed for its age or size. Nil without uploads.
    package var uploaded: UploadedFiles?

    package init() {}
}
