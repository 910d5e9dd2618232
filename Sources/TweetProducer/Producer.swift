import Core
import Journal
import Logging
import Publishing
import TweetFormat
import XAPI

/// The producer: X's stream into the journal, and the journal to Kafka.
///
/// The way of a record: the reader **reads** it from X and **appends** it to the journal, which makes it **durable**; the
/// publisher **publishes** it and, once Kafka has **acknowledged** it, moves the checkpoint; its segment, closed and
/// acknowledged, is **archived**. What X sent while nobody read is a **gap**, which a repair appends beside the stream.
///
/// | thread | work | meets the others in |
/// |---|---|---|
/// | `reader` | X's stream → lines → `Journal.append` | the journal, `OpenGaps` |
/// | `sync` (the journal's) | what was appended → disk, group by group; segments | the journal's tail |
/// | `publisher` | journal from the checkpoint on → Kafka → checkpoint | the tail, the checkpoint |
/// | `archiver` | closed and acknowledged segments → gzip, manifest | the tail, the archive's folder |
/// | `uploader` | archived segments → S3, verified | the archive's folder |
/// | `gaps` | gaps that have ended → X's recovery or search → the journal | the journal, `OpenGaps` |
/// | `rules` | the rules at X, when they change → the journal; differences from the rules file → the log | the journal |
/// | `facts` | the journal's folder, gaps and limits → metrics | |
/// | `heartbeat` | what the producer knows of itself → the journal, every HEARTBEAT | the journal |
/// | `loaders` | the offsets that the loaders' group commits → metrics | |
/// | `usage` | X's own count of posts → metrics | |
/// | `standby` | the stream's lease in Kafka: which producer reads | `Lease` |
struct Producer {
    let settings: ProducerSettings
    /// What `streams apply` has made of the stream; nil when the settings are not of its making.
    let applied: AppliedSettings?
    let stop: Stop
    let logger: Logger
    var metrics = ProducerMetrics()
    var health = ServiceHealth()

    /// Runs until the stop is raised and what is journalled is published, or the drain's time is over.
    ///
    /// - Throws: `JournalError` when the journal cannot be used, X rejects the credentials, or Kafka rejects the topics.
    func run() throws {
        let journal = try openJournal()
        let (folder, tail) = (journal.source.folder, journal.source.tail)
        metrics.journal.source.value = journal.source
        metrics.journal.accepts(true)
        let gaps = OpenGaps(folder: folder, metrics: metrics.gaps)
        let posts = try PostCounter(folder: folder)
        let matches = RuleMatches(folder: folder)
        let lease = settings.standby == .on ? Lease(journal: journal.source.journal) : nil
        let beside = LimitedJournal(journal, posts: posts, limits: settings.stream.posts)
        let loops = [
            try reader(journal, gaps, posts, lease), leaseKeeper(lease, journal),
            try publisher(journal.source, matches), archiver(journal.source),
            uploader(journal.source), gapRepair(folder, gaps, beside, lease), ruleWatch(matches, posts, beside, lease),
            facts(journal, gaps, posts), heartbeat(beside), loaderWatch(),
            usageWatch(lease),
        ]
        health.done("journal")
        try Service.run(
            loops.compactMap { $0 }, stop: stop, drain: settings.drain, logger: logger, health: health,
            reopen: {
                logger.info("SIGHUP: beginning a new journal segment")
                tail.requestRoll()
            })
    }

    // MARK: Read and append

    /// Reads X until the stop is raised; while the journal accepts no lines, it waits for room.
    private func reader(
        _ journal: Journal, _ gaps: OpenGaps, _ posts: PostCounter, _ lease: Lease?
    ) throws -> Service.Loop {
        journal.observer.onDelayedRoll { [logger] in
            logger.error(
                "cannot begin a new journal file; the open one grows", metadata: ["reason": "\($0)"])
        }
        return Service.Loop("reader", helper: ("sync", journal.syncHeart)) {
            defer { journal.close() }
            let stream = try FilteredStream(
                settings: settings.stream, stop: stop, logger: logger, gaps: gaps, posts: posts, lease: lease,
                metrics: metrics.stream)
            let outage = JournalOutage(stop: stop, logger: logger)
            while true {
                do {
                    try stream.run(into: journal)
                    try applied?.recordEnd(in: journal)
                    try journal.append(PipelineEvent(.stopped))
                    return try journal.sync()
                } catch let error as FileError {
                    metrics.journal.accepts(false)
                    defer { metrics.journal.accepts(true) }
                    guard outage.waitOut(error, in: journal, gaps) else {
                        throw JournalError(
                            .operator(.disk), "the journal cannot be written: \(error). What is in it is kept.")
                    }
                }
            }
        }
    }

    /// Nil for a producer that is alone. Kafka is asked in calls of 3 s, two at a time.
    private func leaseKeeper(_ lease: Lease?, _ journal: Journal) -> Service.Loop? {
        guard let lease else { return nil }
        return Service.Loop("standby", bound: .seconds(30)) {
            LeaseKeeper(settings, lease: lease, journal: journal, stop: stop, logger: logger).run()
        }
    }

    // MARK: Publish and acknowledge

    private func publisher(_ source: JournalSource, _ matches: RuleMatches) throws -> Service.Loop {
        let count: @Sendable ([Int64], Timestamp) -> Void = { matches.count($0, at: $1) }
        let publisher = try Publisher(
            settings: settings.publish, source: source, onMatch: settings.rules.file == nil ? nil : count,
            counts: metrics.publishing, stop: stop, logger: logger)
        // librdkafka is asked for topics in calls of 5 s, a few at a time.
        return Service.Loop("publisher", bound: .seconds(30), owning: publisher) { try $0.run() }
    }

    // MARK: Archive

    /// The archiver gets only the time that nobody else wants.
    private func archiver(_ source: JournalSource) -> Service.Loop {
        Service.Loop("archiver", bound: .seconds(600)) {
            Archiver(source, options: settings.archive, stop: stop, logger: logger).run()
        }
    }

    /// Nil when nothing is to be uploaded.
    private func uploader(_ source: JournalSource) -> Service.Loop? {
        guard let upload = settings.upload, let uploaded = settings.archive.uploaded else { return nil }
        return Service.Loop("uploader", bound: .seconds(600)) {
            Uploader(
                source, settings: upload.s3, options: upload.options, uploaded: uploaded, stop: stop, logger: logger,
                metrics: metrics.uploads
            ).run()
        }
    }

    // MARK: Beside the stream

    private func gapRepair(
        _ folder: String, _ gaps: OpenGaps, _ journal: LimitedJournal, _ lease: Lease?
    ) -> Service.Loop {
        Service.Loop("gaps") {
            GapRepair(
                settings.stream, folder: folder, book: gaps, stop: stop, logger: logger,
                isActive: { lease?.reads ?? (settings.standby == .off) }, deliver: journal.deliver
            ).run()
        }
    }

    private func ruleWatch(
        _ matches: RuleMatches, _ posts: PostCounter, _ journal: LimitedJournal, _ lease: Lease?
    ) -> Service.Loop {
        Service.Loop("rules") {
            let refresh = FollowingRefresh(
                settings.rules, posts: posts, limits: settings.stream.posts, stop: stop, logger: logger)
            var watch = RuleWatch(
                settings: settings.rules, matches: matches, stop: stop, logger: logger,
                refresh: settings.rules.refreshesFollowing ? refresh : nil, metrics: metrics.rules,
                isActive: { lease?.reads ?? true }, deliver: journal.deliver)
            watch.run()
        }
    }

    /// Nil when nobody asks for what it reads. Nothing depends on it; the folder's disk may hang.
    private func facts(_ journal: Journal, _ gaps: OpenGaps, _ posts: PostCounter) -> Service.Loop? {
        guard settings.listen != nil || settings.heartbeat != nil else { return nil }
        return Service.Loop("facts", bound: .seconds(600)) {
            var facts = ProducerFacts(settings, metrics, journal, gaps, posts, stop: stop, logger: logger)
            facts.run()
        }
    }

    /// Nil with HEARTBEAT=off.
    private func heartbeat(_ journal: LimitedJournal) -> Service.Loop? {
        guard let interval = settings.heartbeat else { return nil }
        return Service.Loop("heartbeat") {
            AliveEvents(every: interval, metrics, stop: stop, deliver: journal.deliver).run()
        }
    }

    /// Nil when nobody asks for health. Kafka is asked in calls of 5 s.
    private func loaderWatch() -> Service.Loop? {
        guard settings.listen != nil, let group = settings.loaderGroup else { return nil }
        return Service.Loop("loaders", bound: .seconds(30)) {
            var watch = LoaderWatch(settings, group: group, metrics.loaders, stop: stop, logger: logger)
            watch.run()
        }
    }

    /// Nil when nobody asks for metrics, and with X_USAGE_CHECK=off.
    private func usageWatch(_ lease: Lease?) -> Service.Loop? {
        guard settings.listen != nil, let interval = settings.usageInterval else { return nil }
        return Service.Loop("usage") {
            var watch = UsageWatch(
                settings.stream.x, every: interval, metrics.usage, stop: stop, logger: logger,
                isActive: { lease?.reads ?? true })
            watch.run()
        }
    }

    // MARK: Start

    /// Opens the journal and declares what a crash has left open.
    private func openJournal() throws -> Journal {
        let journal = try Journal.open(
            folder: settings.journalFolder, stream: settings.stream.stream, options: settings.journal,
            counts: metrics.journal.counts)
        do { try declareStart(in: journal) } catch {
            guard let error = error as? FileError else { throw error }
            throw JournalError(
                .operator(.disk), "the journal cannot be written: \(error). Make room on its disk, or replace it.")
        }
        return journal
    }

    private func declareStart(in journal: Journal) throws {
        try journal.declareCrash(logger, metrics: metrics.gaps)
        // First of all: a crash is recognized by a journal that ends with `started`.
        try applied?.recordStart(in: journal)
        var event = PipelineEvent(.started)
        event.detail = "tweet-producer \(productVersion)"
        try journal.append(event)
        try journal.sync()
    }
}
