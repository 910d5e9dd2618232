import Core

/// Where the journal is and how it is kept.
package enum JournalSettings: SettingGroup {
    package static let title = "Journal"
    package static let folder = Setting(
        "JOURNAL_DIR", flag: "journal", .folder, default: "./journal",
        "Folder of the journal; each stream has a folder below it")
    package static let syncDelay = Setting(
        "JOURNAL_SYNC_DELAY", .duration, default: "10ms", "Longest time that a line waits for its fsync")
    package static let syncBytes = Setting(
        "JOURNAL_SYNC_BYTES", .bytes, default: "1MiB",
        "Pending bytes that start an fsync at once; reading pauses at eight times these bytes")
    package static let segmentBytes = Setting(
        "JOURNAL_SEGMENT_BYTES", .bytes, default: "64MiB", "Size at which the next file of the journal begins")
    package static let segmentAge = Setting(
        "JOURNAL_SEGMENT_AGE", .duration, default: "1h",
        "Age of its first line at which a file is followed by the next; SIGHUP does the same")
    package static let compress = Setting(
        "JOURNAL_COMPRESS", .one(of: Switch.self), default: "on",
        "Whether closed files that Kafka has acknowledged become `.jsonl.gz` in the folder `archive`, or stay plain there"
    )
    package static let keep = Setting(
        "JOURNAL_KEEP", .notation("all, 0, a time such as 30d or a size such as 100GiB"), default: "all",
        "How much of the archive is kept: `all`, a time, a size, or `0`: nothing that is acknowledged")
    package static let quota = Setting(
        "JOURNAL_QUOTA", .bytes, unset: "no limit", "Bytes that a stream's folder may use, archive included")
    package static let reserve = Setting(
        "JOURNAL_RESERVE", .bytes, default: "4MiB",
        "Bytes of the quota and of the disk that are reserved for events when no line fits")
    package static let full = Setting(
        "JOURNAL_FULL", .one(of: JournalFullPolicy.self), default: "stop",
        "Without room: `stop` reading X, a declared gap; or `drop-oldest`: of the archive, then what Kafka has, then"
            + " unpublished lines, declared by number")
    package static let settings = [
        folder, syncDelay, syncBytes, segmentBytes, segmentAge, compress, keep, quota, reserve, full,
    ]

    /// Reads the settings; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: the folder of all journals, how they are written, and what is archived.
    package static func read(
        _ reader: inout SettingsReader
    ) -> (folder: String, journal: JournalOptions, archive: ArchiveOptions) {
        var (journal, archive) = (JournalOptions(), ArchiveOptions())
        journal.syncDelay = reader.duration(syncDelay)
        journal.syncBytes = reader.bytes(syncBytes)
        journal.segmentBytes = Int64(reader.bytes(segmentBytes))
        journal.segmentAge = reader.duration(segmentAge)
        journal.quota = readQuota(&reader)
        journal.reserve = Int64(reader.bytes(reserve))
        if let quota = journal.quota, quota < 4 * max(journal.reserve, 1 << 20) {
            reader.addMistake(
                "\(reader.origin(self.quota)): \(quota) bytes are too few; set at least 4 MiB and four times"
                    + " JOURNAL_RESERVE")
        }
        archive.whenFull = reader.choice(full, JournalFullPolicy.self) ?? .stop
        archive.isCompressed = reader.isOn(compress)
        archive.keep = reader.value(keep, ArchiveKeep.init(setting:)) ?? .all
        return (reader.text(folder), journal, archive)
    }

    /// The quota that is set.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: bytes; nil for no limit.
    package static func readQuota(_ reader: inout SettingsReader) -> Int64? {
        reader.value(quota) { parseByteCount($0).map { Int64($0) } }
    }
}
