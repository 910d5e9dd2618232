import Core
import FoundationEssentials

/// What one stream's journal holds, read beside a producer that may be writing it.
package struct JournalStatus: Encodable, Sendable, Equatable {
    /// The manifest's totals of one kind.
    package struct Archived: Encodable, Sendable, Equatable {
        package var segments = 0
        package var lines: Int64 = 0
        /// As stored, receipts included.
        package var bytes: Int64 = 0
    }

    /// What is in S3.
    package struct Uploads: Encodable, Sendable, Equatable {
        /// Segments that are there, verified.
        package var segments = 0
        /// As stored, receipts included.
        package var bytes: Int64 = 0
        /// Archived segments that are not there yet.
        package var waitingSegments = 0
        package var waitingBytes: Int64 = 0
        /// When the last one was verified there, RFC 3339.
        package var lastAt: String?
        /// `uploading`, or `waiting: ` and why; nil before the first attempt.
        package var state: String?
        /// Since when.
        package var stateAt: String?
    }

    package var stream: String
    package var journal: String
    package var folder: String
    /// Files that are not archived, the open one included.
    package var segments = 0
    /// Bytes of their lines.
    package var bytes: Int64 = 0
    package var lines: Int64 = 0
    /// The first number that is not archived or removed; nil in a journal without lines.
    package var firstSeq: Int64?
    /// The last durable number; 0 when there is none.
    package var lastSeq: Int64 = 0
    /// Every line up to this one is acknowledged by Kafka.
    package var checkpoint: Int64 = 0
    package var unacknowledged: Int64 = 0
    /// When the first line that Kafka has not acknowledged was received, RFC 3339; nil when there is none.
    package var oldestUnacknowledgedAt: String?
    /// The topic that rejects every record, so that publishing is paused; nil when it is not.
    package var pausedTopic: String?
    package var archived = Archived()
    /// Nil before the first attempt of an upload.
    package var uploads: Uploads?
    /// Lines that are kept nowhere here any more, because JOURNAL_KEEP or JOURNAL_FULL let them go after Kafka had them.
    package var removedLines: Int64 = 0
    /// Lines that were dropped before Kafka had them.
    package var droppedLines: Int64 = 0
    /// Bytes of everything in the folder but the reserve.
    package var usedBytes: Int64 = 0
    package var quotaBytes: Int64?
    /// Whether the reserve's file holds its place; false while the disk is full, and without JOURNAL_RESERVE.
    package var holdsReserve = false
    /// The process that writes the journal, and since when; nil when none does.
    package var process: String?
    /// What that process says: `writing`, or why not.
    package var state: String?

    /// The names of the streams that have a journal below `folder`, in order.
    ///
    /// - Throws: `JournalError`: `operator` when the folder cannot be read.
    package static func streams(in folder: String) throws(JournalError) -> [String] {
        do {
            var streams: [String] = []
            for name in try JournalFolder.names(folder).sorted() where StreamName.isValid(name) {
                if try JournalIdentity.exists(in: folder + "/" + name) { streams.append(name) }
            }
            return streams
        } catch {
            throw JournalError(
                .operator(.disk),
                "journal folder \(folder): \(error). Name the journal's folder with JOURNAL_DIR (--journal).")
        }
    }

    /// Reads the status of one stream's journal.
    ///
    /// - Parameters:
    ///   - folder: the folder of all journals.
    ///   - stream: one of `streams(in:)`.
    ///   - quota: the quota that is set, to be shown.
    /// - Throws: `JournalError`: `operator` when something cannot be read.
    package init(folder: String, stream: String, quota: Int64?) throws(JournalError) {
        let path = folder + "/" + stream
        do {
            let identity = try JournalIdentity.read(folder: path, stream: stream)
            self.init(stream: stream, journal: identity.journal, folder: path)
            let published = try Checkpoint.read(from: path, journal: journal)
            (checkpoint, pausedTopic) = (published?.acknowledged ?? 0, published?.pausedTopic)
            try readManifest(path + "/" + JournalSource.archiveName)
            try readSegments(path)
            usedBytes = try JournalSpace.bytes(in: path)
            holdsReserve = try JournalFolder.size(path + "/" + JournalSpace.reserveName) ?? 0 > 0
            if let holder = try JournalLock.holder(of: path) { (process, state) = (holder.process, holder.state) }
        } catch {
            throw JournalError(error)
        }
        quotaBytes = quota
        unacknowledged = max(0, lastSeq - checkpoint)
    }

    private mutating func readOldest(_ segments: [Segment]) throws(FileError) {
        guard lastSeq > checkpoint, let segment = segments.last(where: { $0.firstSeq <= checkpoint + 1 }) else {
            return
        }
        let index = try SegmentIndex(reading: segment)
        let entry = try index.entry(index.position(of: checkpoint + 1, count: index.count()))
        oldestUnacknowledgedAt = entry?.receivedAt.description
    }

    private init(stream: String, journal: String, folder: String) {
        (self.stream, self.journal, self.folder) = (stream, journal, folder)
    }

    private mutating func readSegments(_ folder: String) throws(FileError) {
        let found = try Segment.list(folder)
        segments = found.count
        for segment in found { bytes += try JournalFolder.size(segment.path) ?? 0 }
        guard let first = found.first, let last = found.last else { return }
        let end = try SegmentIndex(reading: last).lastWhole(size: JournalFolder.size(last.path) ?? 0)
        lastSeq = max((end?.endSeq ?? last.firstSeq) - 1, 0)
        guard lastSeq >= first.firstSeq else { return }
        firstSeq = first.firstSeq
        lines = lastSeq - first.firstSeq + 1
        try readOldest(found)
    }

    private mutating func readManifest(_ folder: String) throws {
        var kept: [Int64: ManifestEntry] = [:]
        try Manifest.read(folder: folder) { _, entry in
            guard let entry else { return }
            switch entry.event {
            case .archived: kept[entry.firstSeq] = entry
            case .removed:
                kept[entry.firstSeq] = nil
                removedLines += entry.lines
            case .dropped: droppedLines += entry.lines
            }
        }
        try readUploads(folder, archived: kept.values)
        for entry in kept.values {
            archived.segments += 1
            archived.lines += entry.lines
            archived.bytes += (entry.bytes ?? 0) + (entry.receipts?.bytes ?? 0)
        }
    }

    private mutating func readUploads(
        _ folder: String, archived: some Collection<ManifestEntry>
    ) throws(FileError) {
        let list = try UploadList(folder: folder)
        let names = Set(list.records.map(\.file))
        var found = Uploads()
        found.segments = list.earlier.segments + list.records.count
        found.bytes = list.records.reduce(list.earlier.bytes) { $0 + $1.bytes }
        found.lastAt = list.records.map(\.at).max() ?? (list.earlier.at.isEmpty ? nil : list.earlier.at)
        let state = UploadState.read(folder: folder)
        (found.state, found.stateAt) = (state?.state, state?.at)
        for entry in archived where entry.file.map(names.contains) == false {
            found.waitingSegments += 1
            found.waitingBytes += (entry.bytes ?? 0) + (entry.receipts?.bytes ?? 0)
        }
        if state != nil || found.segments > 0 { uploads = found }
    }
}
