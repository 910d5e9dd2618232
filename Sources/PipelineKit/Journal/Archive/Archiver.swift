import Core
import Glibc
package import Logging

/// Brings closed and acknowledged segments into the archive, and removes what is not to be kept.
///
/// It has a thread of its own, and no other thread waits for it. After a disk error it logs that, waits, and
/// retries; the journal continues.
package final class Archiver {
    let source: JournalSource
    let options: ArchiveOptions
    private let stop: Stop
    let logger: Logger
    let folder: String
    private var manifest: Manifest?
    /// Segments that the manifest lists although their plain file was still there at the start.
    private var listed: Set<Int64> = []
    /// Segments that cannot be archived until an operator repairs them; each is logged once.
    private var damaged: Set<Int64> = []
    private var backoff = Backoff(first: .seconds(1), longest: .seconds(60), spread: 1...1)
    private var isTold = false
    /// Bytes of removal entries since the manifest was last checked for shortening.
    private var removalBytes: Int64 = 0

    private static let pause = Duration.milliseconds(200)
    /// A tenth of what another thread gets (sched(7), "The nice value").
    private static let niceness: Int32 = 10

    package init(_ source: JournalSource, options: ArchiveOptions, stop: Stop, logger: Logger) {
        self.source = source
        self.options = options
        self.stop = stop
        self.logger = logger
        folder = source.archive
    }

    /// Works until the stop is raised. What is not done then is done after the next start.
    package func run() {
        // Compressing beside publishing would cost that a fifth of its rate on two cores (Benchmarks/README.md). Not SCHED_IDLE: programs
        // that keep all processors busy would leave nothing for making room. On Linux 0 means this thread (setpriority(2)).
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        var seen: Progress?
        var nextExpiry = ContinuousClock.now
        while !stop.isRaised {
            var wait = Self.pause
            do {
                try work(since: &seen, &nextExpiry)
                settleFailure()
            } catch is SegmentArchiving.Stopped {
                return
            } catch {
                wait = note(error)
            }
            stop.wait(for: wait)
        }
    }

    /// What others have done that gives the archiver work.
    private struct Progress: Equatable {
        let segment: Int64
        let isEmpty: Bool
        let acknowledged: Int64
        let uploaded: Int
    }

    /// Archives when there is progress, makes room, and once a minute removes what is not to be kept any longer.
    private func work(since seen: inout Progress?, _ nextExpiry: inout ContinuousClock.Instant) throws {
        let end = source.tail.end
        let now = Progress(
            segment: end.segment, isEmpty: end.seq == end.segment, acknowledged: source.tail.acknowledged,
            uploaded: options.uploaded?.count ?? 0)
        if now != seen {
            try archiveAcknowledged()
            seen = now
            nextExpiry = .now
        }
        try makeRoom()
        if ContinuousClock.now >= nextExpiry {
            try removeExpired()
            nextExpiry = .now + .seconds(60)
        }
    }

    /// Archives every segment that is closed and acknowledged.
    ///
    /// - Throws: `FileError` when the disk refuses, `SegmentArchiving.Stopped`.
    func archiveAcknowledged() throws {
        let tail = source.tail
        let (end, acknowledged) = (tail.end, tail.acknowledged)
        // While the open segment is empty, the previous one has the state of the stream for recovery.
        let readable = end.seq > end.segment ? end.segment : end.segment - 1
        let segments = try Segment.list(source.folder)
        for (segment, following) in zip(segments, segments.dropFirst())
        where following.firstSeq <= min(readable, acknowledged + 1) && !damaged.contains(segment.firstSeq) {
            try openManifest()
            // Not behind all of them: until there is room, nothing is read from X.
            try makeRoomInArchive()
            try archive(segment, endSeq: following.firstSeq)
        }
    }

    func openManifest() throws {
        guard manifest == nil else { return }
        try JournalFolder.create(folder)
        for name in try JournalFolder.names(folder) where name.hasSuffix(SegmentArchiving.aside) {
            try JournalFolder.remove(folder + "/" + name)
        }
        manifest = try Manifest(folder: folder)
        try JournalFolder.synchronize(folder)
        try JournalFolder.synchronize(source.folder)
        let summary = try ManifestSummary(folder: folder)
        try finishRemovals(summary)
        listed = try segmentsInPlace(summary)
        removalBytes = try manifest?.bytes() ?? 0
        try shortenManifest()
    }

    /// Segments that a crash has left here although the manifest already accounts for all their lines.
    private func segmentsInPlace(_ summary: ManifestSummary) throws -> Set<Int64> {
        var last: [Int64: Int64] = [:]
        for (file, entry) in summary.archived
        where try entry.bytes != nil && JournalFolder.size(folder + "/" + file) == entry.bytes {
            last[entry.firstSeq] = entry.lastSeq
        }
        let segments = try Segment.list(source.folder)
        // Dropped lines that are still here may have been published all the same, so they are archived like others.
        return Set(
            zip(segments, segments.dropFirst()).filter { segment, following in
                last[segment.firstSeq] == following.firstSeq - 1
                    || summary.isRemoved(segment.firstSeq...(following.firstSeq - 1))
            }.map(\.0.firstSeq))
    }

    /// Removes the files that the manifest says are removed: a crash has come between.
    private func finishRemovals(_ summary: ManifestSummary) throws {
        for file in summary.removed.keys {
            guard let segment = ArchiveName(file).map({ ArchivedSegment(name: $0, file: file) }),
                try segment.bytes(in: folder) > 0
            else { continue }
            try remove(segment)
        }
    }

    /// Shortens a long manifest by listing removed segments as ranges of numbers.
    func shortenManifest() throws {
        // A line about a removal makes a longer one superfluous, so by then about half can go; to look at it more often
        // would take longer than all the writing.
        guard let bytes = try manifest?.bytes(), bytes >= Manifest.shortestToShorten, removalBytes >= bytes / 8 else {
            return
        }
        removalBytes = 0
        let saved = try Manifest.shorten(folder: folder)
        guard saved > 0 else { return }
        source.space.add(-saved)
        manifest = try Manifest(folder: folder)
    }

    func record(_ entry: ManifestEntry) throws(FileError) {
        Heartbeat.beat()
        let bytes = try manifest?.append(entry) ?? 0
        source.space.add(bytes)
        if entry.event != .archived { removalBytes += bytes }
    }

    private func archive(_ segment: Segment, endSeq: Int64) throws {
        if !listed.contains(segment.firstSeq) {
            do {
                let entry = try makeEntry(segment, endSeq: endSeq)
                try record(entry)
                source.space.add((entry.bytes ?? 0) + (entry.receipts?.bytes ?? 0))
                logger.info(
                    entry.event == .archived ? "archived a segment" : "removed an acknowledged segment",
                    metadata: [
                        "first_seq": .stringConvertible(entry.firstSeq), "lines": .stringConvertible(entry.lines),
                        "bytes": .stringConvertible(entry.bytes ?? 0),
                    ])
            } catch let error where !(error is FileError || error is SegmentArchiving.Stopped) {
                damaged.insert(segment.firstSeq)
                source.counts.archived[.failed].add()
                logger.error("cannot archive a segment", metadata: ["reason": "\(error)"])
                return
            }
        }
        try remove(segment)
        source.counts.archived[.ok].add()
        try shortenManifest()
    }

    func remove(_ segment: Segment) throws(FileError) {
        let bytes = try (JournalFolder.size(segment.path) ?? 0) + (JournalFolder.size(segment.indexPath) ?? 0)
        FailPoint.delete.pass()
        try JournalFolder.remove(segment.path)
        FailPoint.delete.pass()
        try JournalFolder.remove(segment.indexPath)
        try JournalFolder.synchronize(source.folder)
        FailPoint.delete.pass()
        source.space.add(-bytes)
    }

    /// What is not to be kept at all need not be compressed first.
    private func makeEntry(_ segment: Segment, endSeq: Int64) throws -> ManifestEntry {
        if options.keep == .bytes(0), options.uploaded == nil {
            return ManifestEntry(.removed, source: source, seqs: segment.firstSeq...(endSeq - 1))
        }
        return try SegmentArchiving(source: source, folder: folder, isCompressed: options.isCompressed, stop: stop)
            .run(segment, endSeq: endSeq)
    }

    // MARK: Trouble

    private func note(_ error: any Error) -> Duration {
        source.counts.archived[.failed].add()
        if !isTold {
            logger.warning("archiving failed; retrying while the journal continues", metadata: ["reason": "\(error)"])
            isTold = true
        }
        return backoff.next()
    }

    private func settleFailure() {
        if isTold { logger.info("archiving works again") }
        isTold = false
        backoff.reset()
    }
}
