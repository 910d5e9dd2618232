import Core
import Glibc
import Journal
import Logging
import Postgres
import Publishing
import Synchronization

/// The service: timelines of accounts into the journal, and the journal to Kafka.
///
/// The way of a post: a poller takes the account whose timeline is **due** and **reads** a page from X, **settles** what it costs,
/// **appends** its new posts to the journal, which makes them **durable**, and then **moves** the walk or the mark in PostgreSQL;
/// the publisher **publishes** the lines, and the loader stores tweet and entry.
///
/// | thread | work | meets the others in |
/// |---|---|---|
/// | `poll-N` | due timeline → X → journal → PostgreSQL | `x_accounts` (leases), the journal, `Turn` |
/// | `listener` | notifications of new and deleted tokens → pollers | `WakeUp` |
/// | `heartbeat` | what the service knows of itself, every HEARTBEAT → journal | the journal |
/// | `facts` | numbers of all accounts → metrics; old entries → deleted | |
/// | `sync` (the journal's) | what was appended → disk | the journal's tail |
/// | `publisher` | journal from the checkpoint on → Kafka → checkpoint | the tail, the checkpoint |
/// | `archiver` | closed and acknowledged segments → gzip, manifest | the tail, the archive's folder |
struct Timelines {
    let settings: TimelineSettings
    let stop: Stop
    let logger: Logger
    var metrics = TimelineMetrics()
    var health = ServiceHealth()

    /// Runs until the stop is raised and what is journalled is published, or the drain's time is over.
    ///
    /// - Throws: `DatabaseError` for a key that is not that of the tokens, `JournalError` when the journal cannot be used, and
    ///   errors of Kafka.
    func run() throws {
        let journal = try Journal.open(
            folder: settings.journalFolder, stream: TimelineSettings.stream, options: settings.journal,
            counts: metrics.journal.counts)
        journal.observer.onDelayedRoll { [logger] in
            logger.error("cannot begin a new journal file; the open one grows", metadata: ["reason": "\($0)"])
        }
        let source = journal.source
        let polling = Polling(
            settings, TimelineJournal(journal, metrics.journal, logger: logger), metrics, stop: stop, logger: logger)
        let waking = stop.onRaise { [wakeUp = polling.wakeUp] in wakeUp.wake() }
        defer { waking.end() }
        let loops =
            pollers(polling, journal) + [
                Service.Loop("listener") { listen(polling.wakeUp) }, try publisher(source), archiver(source),
                facts(source),
            ]
        health.done("journal")
        logger.info(
            "reading timelines",
            metadata: [
                "postgres": "\(settings.access.conninfo.place)", "x": "\(settings.access.url)",
                "interval": "\(settings.interval.lowerBound.short)", "calls": "\(settings.calls)",
            ])
        try Service.run(
            loops, stop: stop, drain: settings.drain, logger: logger, health: health,
            reopen: { source.tail.requestRoll() })
    }

    /// What appends to the journal, which is closed when the last of them has ended.
    private func pollers(_ polling: Polling, _ journal: Journal) -> [Service.Loop] {
        let open = OpenPollers(settings.calls + (settings.heartbeat == nil ? 0 : 1)) { journal.close() }
        let heartbeat = settings.heartbeat.map { interval in
            Service.Loop("heartbeat") {
                defer { open.end() }
                TimelineHeartbeat(interval: interval, polling: polling, source: journal.source).run()
            }
        }
        return [heartbeat].compactMap(\.self)
            + (1...settings.calls).map { number in
                let poller = Poller(polling, owner: "\(Self.owner)/\(number)")
                // A call, or a refresh that is asked for twice, gives no sign of life while X is silent.
                return Service.Loop("poll-\(number)", bound: .seconds(60)) {
                    defer { open.end() }
                    try poller.run()
                }
            }
    }

    private func publisher(_ source: JournalSource) throws -> Service.Loop {
        let publisher = try Publisher(
            settings: settings.publish, source: source, counts: metrics.publishing, stop: stop, logger: logger)
        // librdkafka is asked for topics in calls of 5 s, a few at a time.
        return Service.Loop("publisher", bound: .seconds(30), owning: publisher) { try $0.run() }
    }

    private func archiver(_ source: JournalSource) -> Service.Loop {
        Service.Loop("archiver", bound: .seconds(600)) {
            Archiver(source, options: settings.archive, stop: stop, logger: logger).run()
        }
    }

    private func facts(_ source: JournalSource) -> Service.Loop {
        Service.Loop("facts", bound: .seconds(120)) {
            var facts = TimelineFacts(settings, metrics, source, stop: stop, logger: logger)
            facts.run()
        }
    }

    /// Wakes the pollers for every change of a token; without a connection they look every 30 s.
    private func listen(_ wakeUp: WakeUp) {
        while !stop.isRaised {
            do throws(PostgresError) {
                let connection = try PostgresConnection.connect(settings.access.conninfo, role: .any, stop: stop)
                try connection.listen(to: "x_tokens")
                wakeUp.wake()
                while !stop.isRaised {
                    if try connection.waitForNotification(atMost: .milliseconds(200)) { wakeUp.wake() }
                }
            } catch {
                logger.debug("no notifications of tokens", metadata: ["error": "\(error)"])
                stop.wait(for: .seconds(5))
            }
        }
    }

    /// Host, process and a random part.
    private static let owner: String = {
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return "\(host)/\(getpid())/\(String(UInt32.random(in: 0 ... .max), radix: 36))"
    }()
}

/// Does something when the last thread that appends to the journal has ended.
private final class OpenPollers: Sendable {
    private let left: Mutex<Int>
    private let whenEnded: @Sendable () -> Void

    init(_ count: Int, _ whenEnded: @escaping @Sendable () -> Void) {
        left = Mutex(count)
        self.whenEnded = whenEnded
    }

    func end() {
        let isLast = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { whenEnded() }
    }
}
