import Core
import Foundation
import Journal
import KafkaClient
import Logging
import Publishing
import TweetFormat
import XAPI

/// Publishes archived lines again. Owned by one thread.
///
/// Lines of our own journal keep their stream, journal and number, so the loader passes over those it has. Lines of other
/// tools are numbered within their file, under a stream of their own and a journal that is named after the file: the same
/// file and window always give the same numbers.
final class Replay {
    private let settings: ReplaySettings
    private let files: [ReplayFile]
    private let stop: Stop
    private let logger: Logger
    private let delivery: Delivery
    private var key = TweetKey(findsRules: false)
    private var foreign = ForeignLines()
    private var state: ReplayState
    /// Records handed over since the clients were made, and where in the files each stands.
    private var handed: Int64 = 0
    private var places: [Place] = []
    private var saveDue = ContinuousClock.now
    private var progress: ReplayProgress
    private let begin = ContinuousClock.now
    private var sent = 0
    /// Lines that Kafka rejected, or the disk has damaged.
    private(set) var refused = RefusedLines()
    /// Damaged files and files without a tweet, each named with the place.
    private(set) var problems: [String] = []
    private var others = OtherLines()
    /// Lines that earlier runs published.
    private let earlier: Int64

    /// Lines that Kafka has acknowledged, those of earlier runs included.
    var published: Int64 { state.published }

    /// One record, where in the files its line stands, and with which headers it was sent.
    private struct Place {
        let id: Int64
        let state: ReplayState
        let headers: RecordHeaders
    }

    private struct Stopped: Error {}
    private struct Again: Error {}

    /// Files are published in the order given; `source` is what the user named, and a state file of another is refused.
    ///
    /// - Throws: `KafkaClientError` when librdkafka rejects a property; `ReplayError`: `operator` when the state file is another
    ///   replay's or cannot be read, `reject` when it is not one.
    init(
        _ source: String, files: [ReplayFile], settings: ReplaySettings, isTerminal: Bool, stop: Stop, logger: Logger
    ) throws {
        (self.settings, self.files, self.stop, self.logger) = (settings, files, stop, logger)
        delivery = try Delivery(
            settings.kafka,
            topics: .init(
                tweets: NewTopic(settings.topic, partitions: settings.partitions, replication: settings.replication),
                events: NewTopic(settings.topic + ".events", partitions: 1, replication: settings.replication)),
            stop: stop, logger: logger, isStopped: { stop.isRaised })
        state = try Self.load(settings.stateFile, ReplayState(source: source, window: settings.window))
        guard state.fits(files) else {
            throw ReplayError(
                .operator(.settings),
                "--state: files of \(source) were added, moved or removed since. Remove the state file to start over,"
                    + " which does no harm.")
        }
        (earlier, problems) = (state.published, state.problems ?? [])
        progress = ReplayProgress(totalBytes: files.reduce(0) { $0 + $1.bytes }, isTerminal: isTerminal)
    }

    /// Runs until every line is acknowledged, or the stop is raised; returns whether all were.
    ///
    /// - Throws: `ReplayError` when a file cannot be read, `KafkaClientError` (`wait`) when Kafka rejects the topics.
    func run() throws -> Bool {
        delivery.onReject = { [unowned self] id, reason in
            if let place = place(of: id) { refused.insert(place.state.published, reason: reason) }
        }
        try delivery.ensureTopics { stop.isRaised }
        while true {
            do {
                try pass()
                save(isDue: true)
                progress.end(published: state.published, earlier: earlier, refused: refused, others: others)
                return true
            } catch is Again {
                while !delivery.restart(through: 0), !stop.isRaised {}
                handed = 0
                places.removeAll()
            } catch is Stopped {
                save(isDue: true)
                progress.end(published: state.published, earlier: earlier, refused: refused, others: others)
                delivery.purge()
                return false
            }
        }
    }

    /// Goes through the files from what is acknowledged on.
    private func pass() throws {
        let start = state
        var done = files[..<start.file].reduce(Int64(0)) { $0 + $1.bytes }
        problems = start.problems ?? []
        for index in start.file..<files.count {
            do {
                try files[index].withLocal { try goThrough($0, at: index, from: start, done) }
            } catch let error as any DisposedError where error.disposition == .reject {
                let text = error.description
                if !problems.contains(text) { problems.append(text) }
            }
            done += files[index].bytes
        }
        while delivery.acknowledged.through < handed { try poll(within: .milliseconds(50)) }
        state.problems = problems.isEmpty ? nil : problems
    }

    /// Publishes the lines of one file.
    private func goThrough(_ file: ReplayFile, at index: Int, from start: ReplayState, _ done: Int64) throws {
        var at = ReplayState(source: start.source, window: start.window, file: index)
        at.published = handed == 0 ? start.published : places.last?.state.published ?? state.published
        (at.name, at.problems) = (files[index].path, problems)
        var skip = index == start.file ? start.line : 0
        var number: Int64 = 0
        let isOwn = file.journal != nil
        if !isOwn, try !requireTweet(file, files[index].path) { return }
        let journal = try file.journal ?? (settings.foreignStream, foreignJournal(file))
        do {
            try file.read(lineLimit: settings.lineLimit) { line, position in
                for piece in pieces(of: line, at: index, isOwn: isOwn) where isWanted(line, piece, isOwn: isOwn) {
                    number += 1
                    at.line += 1
                    if skip > 0 {
                        skip -= 1
                        continue
                    }
                    at.published += 1
                    let headers = RecordHeaders(
                        stream: journal.0, journal: journal.1, seq: isOwn ? line.seq : number,
                        receivedAt: line.receivedAt ?? .now(), connection: line.connection)
                    try publish(piece, headers, at: at, isDamaged: line.isDamaged)
                }
                progress.report(bytes: done + position, published: state.published)
            }
        } catch let error as any DisposedError where error.disposition == .reject && at.line > 0 {
            throw ReplayError(.reject, "\(error) The \(groupedDigits(at.line)) lines before it were published.")
        }
    }

    /// Looks for the first tweet of another tool's file, before any of its lines is published; false for a file without lines.
    ///
    /// - Throws: `ReplayError`: `reject` when no line of it is a tweet.
    private func requireTweet(_ file: ReplayFile, _ path: String) throws -> Bool {
        struct Found: Error {}
        var first: String?
        var lines = 0
        do {
            try file.read(lineLimit: settings.lineLimit) { line, _ in
                if stop.isRaised { throw Stopped() }
                switch unsafe foreign.content(of: line.bytes) {
                case .tweets: throw Found()
                case .empty: return
                case .other(let reason): first = first ?? "\(line.place): \(reason)"
                }
                lines += 1
            }
        } catch is Found { return true }
        if let first { throw ReplayError(.reject, "\(path): 0 of \(lines) lines are tweets; \(first)") }
        // A folder of hours has empty ones; a source of nothing else is no success.
        if files.count == 1 { throw ReplayError(.reject, "\(path) has no tweet: it has no lines, or only empty pages") }
        return false
    }

    private func pieces(of line: ReplayLine, at index: Int, isOwn: Bool) -> [[UInt8]] {
        guard !isOwn else { return [unsafe Array(line.bytes)] }
        switch unsafe foreign.content(of: line.bytes) {
        case .tweets(let lines): return lines
        case .empty: return []
        case .other(let reason):
            others.insert(file: index, line, path: files[index].path, reason: reason)
            return [unsafe Array(line.bytes)]
        }
    }

    private func isWanted(_ line: ReplayLine, _ piece: [UInt8], isOwn: Bool) -> Bool {
        guard settings.seqs.contains(line.seq), settings.isNumbered(line.seq) else { return false }
        guard settings.since != nil || settings.until != nil else { return true }
        var moment = line.receivedAt
        if moment == nil {
            moment = unsafe piece.withUnsafeBytes { unsafe key.id(of: $0) }.flatMap(Snowflake.timestamp)
        }
        guard let moment else { return false }
        return settings.since.map { moment >= $0 } ?? true && settings.until.map { moment < $0 } ?? true
    }

    /// Eight digits that stay the same for a file of this name, size and content, in this window.
    ///
    /// By name and size alone, the loader would pass over the second of two files of the same name, as settled.
    private func foreignJournal(_ file: ReplayFile) throws -> String {
        let name = file.path.split(separator: "/").last ?? ""
        var hash: UInt32 = 2_166_136_261
        for byte in try Array("\(name) \(file.bytes) \(settings.window)".utf8) + file.sample() {
            hash = (hash ^ UInt32(byte)) &* 16_777_619
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    private func publish(_ bytes: [UInt8], _ headers: RecordHeaders, at: ReplayState, isDamaged: Bool) throws {
        try keepRate()
        handed += 1
        sent += 1
        places.append(Place(id: handed, state: at, headers: headers))
        unsafe bytes.withUnsafeBytes { value in
            if isDamaged { return unsafe delivery.declareDamaged(value, headers: headers, id: handed) }
            let chain = unsafe key.key(of: value)
            let topics = delivery.topics
            unsafe Array((chain.map(String.init) ?? headers.stream).utf8).withUnsafeBytes { key in
                unsafe delivery.enqueue(
                    value, key: key, topic: chain == nil ? topics.events.name : topics.tweets.name,
                    headers: headers, id: handed)
            }
        }
        try poll(within: .zero)
    }

    private func keepRate() throws {
        guard let rate = settings.rate else { return }
        let due = begin + .seconds(Double(sent) / rate)
        while ContinuousClock.now < due {
            let left = min(ContinuousClock.now.duration(to: due), .milliseconds(100))
            try poll(within: max(left, .milliseconds(1)))
        }
    }

    private func place(of id: Int64) -> Place? {
        guard let first = places.first?.id, id >= first, id - first < places.count else { return nil }
        return places[Int(id - first)]
    }

    /// Takes delivery reports, and moves the state to what is acknowledged.
    private func poll(within duration: Duration) throws {
        delivery.poll(atMost: duration)
        // Records have numbers without holes, so the place of one is its distance from the first.
        let through = delivery.acknowledged.through
        if let first = places.first?.id, through >= first {
            let done = Int(through - first)
            if done >= 1000 || through == handed || ContinuousClock.now >= saveDue {
                state = places[done].state
                places.removeFirst(done + 1)
                save(isDue: false)
            }
        }
        if stop.isRaised { throw Stopped() }
        if delivery.undelivered != nil { throw Again() }
    }

    // MARK: State

    private static func load(_ path: String?, _ new: ReplayState) throws(ReplayError) -> ReplayState {
        guard let path else { return new }
        let text: String
        do { text = try readTextFile(path) } catch {
            if error.isMissingFile { return new }
            throw ReplayError(.operator(.disk), "--state: \(error)")
        }
        guard let found = try? JSONDecoder().decode(ReplayState.self, from: Data(text.utf8)) else {
            throw ReplayError(.reject, "--state: \(path) is not the state of a replay. Remove it to start over.")
        }
        guard found.source == new.source, found.window == new.window else {
            throw ReplayError(
                .operator(.settings),
                "--state: \(path) belongs to a replay of \(found.source) with a different window. Remove it,"
                    + " or name another file.")
        }
        return found
    }

    private func save(isDue: Bool) {
        guard let path = settings.stateFile, isDue || ContinuousClock.now >= saveDue else { return }
        saveDue = .now + .milliseconds(500)
        guard let data = try? JSONEncoder().encode(state) else { return }
        do { try data.write(to: URL(filePath: path), options: .atomic) } catch {
            logger.warning("cannot write the replay's state file", metadata: ["file": "\(path)"])
        }
    }
}
