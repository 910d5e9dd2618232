import Core
import Journal
import Logging
import Publishing
import Synchronization
import TweetFormat
import XAPI

/// The producer: one thread reads X into the journal, one publishes the journal to Kafka, one keeps the archive,
/// one fills gaps, and one records the rules at X.
///
/// reader: curl → `LineFramer` → `Journal.append`; its helper, sync: group fsync.
/// publisher: `JournalReader` from the checkpoint → keys → `Delivery` → checkpoint.
/// archiver: closed segment, acknowledged by the checkpoint → gzip, manifest → what is not to be kept goes.
/// uploader: archived segment → S3, verified → list of uploads.
/// gaps: gaps that have ended → X's recovery or search → the reader, which owns the journal.
/// rules: the rules at X, at start and when they change → the reader; differences from the rules file → the log.
/// They meet only in the journal's files, its `tail` and the inbox of what others have to journal.
struct Producer {
    let settings: ProducerSettings
    let stop: Stop
    let logger: Logger

    /// Runs until the stop is raised and what is journalled is published, or the drain's time is over.
    ///
    /// - Throws: `Failure` when the journal cannot be used, the credentials are refused, or Kafka refuses the topics.
    func run() throws {
        let journal = try openJournal()
        let tail = journal.source.tail
        let matches = RuleMatches(folder: journal.source.folder)
        let count: @Sendable ([Int64], Timestamp) -> Void = { matches.count($0, at: $1) }
        let publisher = try Publisher(
            settings: settings.publish, source: journal.source, onMatch: settings.rules.file == nil ? nil : count,
            stop: stop, logger: logger)
        let gaps = GapBook(folder: journal.source.folder)
        let inbox = JournalInbox()
        let repair = Mutex<GapRepair?>(
            GapRepair(
                settings.stream, folder: journal.source.folder, book: gaps, stop: stop, logger: logger,
                deliver: { inbox.deliver($0) }))
        let reading = Mutex<Journal?>(journal)
        let publishing = Mutex<Publisher?>(publisher)
        let archiver = Mutex<Archiver?>(
            Archiver(journal.source, options: settings.archive, stop: stop, logger: logger))
        var loops = [
            Service.Loop("reader", helper: ("sync", journal.syncHeart)) {
                defer {
                    inbox.close()
                    tail.close()
                }
                if let journal = reading.withLock({ $0.take() }) { try read(into: journal, gaps, inbox) }
            },
            Service.Loop("gaps") {
                if let repair = repair.withLock({ $0.take() }) { repair.run() }
            },
            // librdkafka is asked for topics in calls of 5 s, a few at a time.
            Service.Loop("publisher", bound: .seconds(30)) {
                if let publisher = publishing.withLock({ $0.take() }) { try publisher.run() }
            },
            // It gets only the time that nobody else wants.
            Service.Loop("archiver", bound: .seconds(600)) {
                if let archiver = archiver.withLock({ $0.take() }) { archiver.run() }
            },
        ]
        if let upload = settings.upload, let uploaded = settings.archive.uploaded {
            let uploader = Mutex<Uploader?>(
                Uploader(
                    journal.source, settings: upload.s3, options: upload.options, uploaded: uploaded, stop: stop,
                    logger: logger))
            loops.append(
                Service.Loop("uploader", bound: .seconds(600)) {
                    if let uploader = uploader.withLock({ $0.take() }) { uploader.run() }
                })
        }
        loops.append(
            Service.Loop("rules") {
                var watch = RuleWatch(
                    settings: settings.rules, matches: matches, stop: stop, logger: logger,
                    deliver: { inbox.deliver($0) })
                watch.run()
            })
        try Service.run(
            loops, stop: stop, drain: settings.drain, logger: logger,
            reopen: {
                logger.info("SIGHUP: beginning a new journal segment")
                tail.requestRoll()
            })
    }

    /// Reads X until the stop is raised; while the journal accepts no lines, it waits for room.
    private func read(into journal: Journal, _ gaps: GapBook, _ inbox: JournalInbox) throws {
        let stream = try FilteredStream(
            settings: settings.stream, stop: stop, logger: logger, gaps: gaps, inbox: inbox)
        let outage = JournalOutage(stop: stop, logger: logger)
        journal.onDelayedRoll = { [logger] in
            logger.error(
                "cannot begin a new journal file; the open one grows", metadata: ["reason": "\($0)"])
        }
        while true {
            do {
                try stream.run(into: journal)
                try journal.append(PipelineEvent(.stopped))
                return try journal.sync()
            } catch let error as FileError {
                guard outage.waitOut(error, in: journal, gaps) else {
                    throw Failure(.disk, "the journal cannot be written: \(error). What is in it is kept.")
                }
            }
        }
    }

    /// Opens the journal and declares what a crash has left open.
    private func openJournal() throws -> Journal {
        let journal = try Journal.open(
            folder: settings.journalFolder, stream: settings.stream.stream, options: settings.journal)
        do { try declareStart(in: journal) } catch {
            throw error as? Failure
                ?? Failure(.disk, "the journal cannot be written: \(error). Make room on its disk, or repair the disk.")
        }
        return journal
    }

    private func declareStart(in journal: Journal) throws {
        try journal.declareCrash(logger)
        var event = PipelineEvent(.started)
        event.detail = "tweet-producer \(productVersion)"
        try journal.append(event)
        try journal.sync()
    }
}
