import Core
import Glibc
import Journal
import Logging
import Postgres
import Publishing
import Synchronization
import TweetFormat

/// The service: timelines of accounts into the journal, and the journal to Kafka.
///
/// The way of a post: a poller takes the account whose timeline is **due** and **reads** a page from X, **appends** its new posts
/// to the journal, which makes them **durable**, and then **moves** the walk or the mark in PostgreSQL; the publisher **publishes**
/// the lines, and the loader stores tweet and entry.
///
/// | thread | work | meets the others in |
/// |---|---|---|
/// | `poll-N` | due timeline → X → journal → PostgreSQL | `x_accounts` (leases), the journal |
/// | `listener` | notifications of new and deleted tokens → pollers | `WakeUp` |
/// | `sync` (the journal's) | what was appended → disk | the journal's tail |
/// | `publisher` | journal from the checkpoint on → Kafka → checkpoint | the tail, the checkpoint |
/// | `archiver` | closed and acknowledged segments → gzip, manifest | the tail, the archive's folder |
struct Timelines {
    let settings: TimelineSettings
    let stop: Stop
    let logger: Logger

    /// Runs until the stop is raised and what is journalled is published, or the drain's time is over.
    ///
    /// - Throws: `DatabaseError` for a key that is not that of the tokens, `JournalError` when the journal cannot be used, and
    ///   errors of Kafka.
    func run() throws {
        let journal = try Journal.open(
            folder: settings.journalFolder, stream: TimelineSettings.stream, options: settings.journal)
        let source = journal.source
        let wakeUp = WakeUp()
        let waking = stop.onRaise { wakeUp.wake() }
        defer { waking.end() }
        let shared = TimelineJournal(journal, logger: logger)
        let outage = CallOutage(logger: logger)
        let open = OpenPollers(settings.calls) { journal.close() }
        var loops = (1...settings.calls).map { number in
            let poller = Poller(
                settings: settings, owner: "\(Self.owner)/\(number)", journal: shared, wakeUp: wakeUp, outage: outage,
                stop: stop, logger: logger)
            // A refresh whose pair cannot be stored gives signs of life itself; a call takes 30 s at most.
            return Service.Loop("poll-\(number)", bound: .seconds(60)) {
                defer { open.end() }
                try poller.run()
            }
        }
        loops.append(Service.Loop("listener") { listen(wakeUp) })
        let publisher = try Publisher(settings: settings.publish, source: source, stop: stop, logger: logger)
        loops.append(Service.Loop("publisher", bound: .seconds(30), owning: publisher) { try $0.run() })
        loops.append(
            Service.Loop("archiver", bound: .seconds(600)) { [settings, stop, logger] in
                Archiver(source, options: settings.archive, stop: stop, logger: logger).run()
            })
        try Service.run(loops, stop: stop, drain: settings.drain, logger: logger, reopen: { source.tail.requestRoll() })
    }

    /// Wakes the pollers for every change of a token; without a connection they look every 30 s.
    private func listen(_ wakeUp: WakeUp) {
        while !stop.isRaised {
            do {
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

/// Closes the journal when the last poller has ended.
private final class OpenPollers: Sendable {
    private let left: Mutex<Int>
    private let close: @Sendable () -> Void

    init(_ count: Int, _ close: @escaping @Sendable () -> Void) {
        left = Mutex(count)
        self.close = close
    }

    func end() {
        let isLast = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { close() }
    }
}
