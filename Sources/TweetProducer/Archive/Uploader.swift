import Core
import Digests
import Glibc
import Journal
import Logging
import ObjectStore

/// Uploads what is in the archive to S3, oldest first, and keeps a list of what is there.
///
/// It has a thread of its own, and no other thread waits for it: the queue is the archive on the disk, bounded by
/// JOURNAL_QUOTA, and here only numbers are kept of it. Whatever S3 answers, it is tried again, later and later.
package final class Uploader {
    private let source: JournalSource
    private let upload: S3Upload
    private let settings: S3Settings
    private let uploaded: UploadedFiles
    private let stop: Stop
    private let logger: Logger
    private let metrics: UploadMetrics
    private let folder: String
    private var manifest: ManifestTail
    /// What is in the archive and not in the bucket, by first number.
    private var waiting: [Int64: ManifestEntry] = [:]
    /// Files that S3 refuses as they are, and when to try them again.
    private var refused: [Int64: ContinuousClock.Instant] = [:]
    private var backoff = Backoff(first: .seconds(1), longest: longestWait)
    private var isTold = false
    /// The list of uploads is checked for shortening when it has this size.
    private var shortenAt = Manifest.shortestToShorten

    private static let pause = Duration.milliseconds(500)
    private static let longestWait = Duration.seconds(300)

    /// What is uploaded stands in `uploaded`, where the archiver learns what it may remove.
    package init(
        _ source: JournalSource, settings: S3Settings, options: S3UploadOptions, uploaded: UploadedFiles, stop: Stop,
        logger: Logger, metrics: UploadMetrics = UploadMetrics()
    ) {
        self.metrics = metrics
        (self.source, self.settings, self.uploaded) = (source, settings, uploaded)
        (self.stop, self.logger) = (stop, logger)
        upload = S3Upload(options: options)
        folder = source.archive
        manifest = ManifestTail(folder: folder)
    }

    /// Works until the stop is raised. What is not uploaded then is after the next start.
    package func run() {
        while !stop.isRaised, !load() { stop.wait(for: .seconds(5)) }
        while !stop.isRaised {
            var wait = Self.pause
            do {
                try follow()
                try uploadWaiting()
            } catch {
                if stop.isRaised { return }
                wait = note(error)
            }
            stop.wait(for: wait)
        }
    }

    private func load() -> Bool {
        do {
            for record in try UploadList(folder: folder).records { uploaded.insert(record.file) }
            try shortenList()
            return true
        } catch {
            _ = note(error)
            return false
        }
    }

    /// Leaves out of the list what is no longer here, when it has become long.
    private func shortenList() throws(FileError) {
        guard let bytes = try JournalFolder.size(folder + "/" + UploadRecord.fileName), bytes >= shortenAt else {
            return
        }
        let saved = try UploadList.shorten(folder: folder)
        shortenAt = max(Manifest.shortestToShorten, 2 * (bytes - saved))
        source.space.add(-saved)
    }

    private func follow() throws {
        defer { showWaiting() }
        try manifest.read {
            // A shorter manifest has replaced the one that was read, and repeats everything from the beginning.
            waiting = [:]
        } entry: { entry in
            switch entry.event {
            case .archived where entry.file.map(uploaded.contains) == false: waiting[entry.firstSeq] = entry
            case .archived: waiting[entry.firstSeq] = nil
            case .removed, .dropped:
                waiting[entry.firstSeq] = nil
                if entry.file == nil { waiting = waiting.filter { !(entry.firstSeq...entry.lastSeq).contains($0.key) } }
            }
        }
    }

    private func showWaiting() {
        metrics.waiting.set(waiting.values.reduce(0) { $0 + ($1.bytes ?? 0) + ($1.receipts?.bytes ?? 0) })
        // RFC 3339 in UTC sorts as text.
        metrics.oldest.set(waiting.values.map(\.at).min().flatMap { Timestamp($0) })
    }

    /// Uploads what waits; returns when nothing does, or nothing but what S3 refuses.
    private func uploadWaiting() throws {
        guard !waiting.isEmpty else { return }
        var client = try S3Client(settings, bucket: upload.options.location.bucket, stop: stop)
        for seq in waiting.keys.sorted() where refused[seq].map({ $0 <= .now }) ?? true {
            guard let entry = waiting[seq] else { continue }
            defer { if let expiry = client.certificateExpiry { metrics.certificate.set(expiry) } }
            do {
                try send(entry, &client)
                waiting[seq] = nil
                refused[seq] = nil
                settle()
            } catch let error as S3Error where error.disposition == .reject {
                refuse(entry, "\(error)")
            } catch let error as FileError where error.isMissingFile {
                // Removed to make room, or by hand; the manifest's next lines may say so.
                waiting[seq] = nil
            }
            if stop.isRaised { return }
            try follow()
        }
    }

    /// Uploads the two files of a segment, verifies them, and writes that down.
    private func send(_ entry: ManifestEntry, _ client: inout S3Client) throws {
        guard let file = entry.file, let bytes = entry.bytes, let sha256 = entry.sha256 else { return }
        let place = "\(source.stream)/\(source.journal)/"
        let key = upload.options.location.key(place + file)
        var total = bytes
        if let receipts = entry.receipts {
            _ = try upload.run(
                folder + "/" + receipts.file, digest: FileDigest(bytes: receipts.bytes, sha256: receipts.sha256),
                key: upload.options.location.key(place + receipts.file), &client)
            total += receipts.bytes
        }
        let proof = try upload.run(
            folder + "/" + file, digest: FileDigest(bytes: bytes, sha256: sha256), key: key,
            metadata: Self.metadata(of: entry), &client)
        let record = UploadRecord(
            at: Timestamp.now().description, file: file, bytes: total, sha256: sha256,
            url: "s3://\(client.bucket)/\(key)", verified: proof.rawValue)
        let list = try JournalFile(appendingTo: folder + "/" + UploadRecord.fileName)
        // A record that a crash has cut short must not take this one with it.
        let isTorn = try !list.endsWithLineFeed()
        try list.append(text: (isTorn ? "\n" : "") + record.line)
        try list.synchronize()
        source.space.add(Int64(record.line.utf8.count))
        FailPoint.upload.pass()
        uploaded.insert(file)
        try shortenList()
        metrics.segments[.ok].add()
        metrics.bytes.add(total)
        logger.info("uploaded a segment", metadata: ["url": "\(record.url)", "bytes": .stringConvertible(total)])
    }

    /// What the manifest knows of a segment goes along with its object, because the manifest forgets what is not here.
    private static func metadata(of entry: ManifestEntry) -> [(name: String, value: String)] {
        [
            ("first-seq", "\(entry.firstSeq)"), ("last-seq", "\(entry.lastSeq)"), ("lines", "\(entry.lines)"),
            ("first-id", entry.firstID), ("last-id", entry.lastID), ("plain-sha256", entry.plainSHA256),
            ("first-received-at", entry.firstReceivedAt), ("last-received-at", entry.lastReceivedAt),
        ].compactMap { name, value in value.map { ("x-amz-meta-" + name, $0) } }
    }

    // MARK: Trouble

    private func refuse(_ entry: ManifestEntry, _ reason: String) {
        metrics.segments[.failed].add()
        if refused[entry.firstSeq] == nil {
            logger.error(
                "a segment cannot be uploaded; retrying every 5 minutes while others are uploaded",
                metadata: ["reason": "\(reason)"])
            UploadState.tell("waiting: \(reason)", folder: folder)
        }
        refused[entry.firstSeq] = .now + Self.longestWait
    }

    private func note(_ error: any Error) -> Duration {
        metrics.segments[.failed].add()
        let wait = max(backoff.next(), (error as? S3Error)?.retryAfter ?? .zero)
        if !isTold {
            logger.warning(
                "uploading failed; retrying while the journal continues",
                metadata: ["reason": "\(error)", "segments": .stringConvertible(waiting.count)])
            isTold = true
        }
        UploadState.tell("waiting: \(error)", folder: folder)
        return wait
    }

    private func settle() {
        if isTold { logger.info("uploading works again") }
        if isTold || backoff.failures > 0 || UploadState.read(folder: folder)?.state != "uploading" {
            UploadState.tell("uploading", folder: folder)
        }
        isTold = false
        backoff.reset()
    }
}
