import Foundation
import Logging
import PipelineKit

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
    /// - Throws: `Failure` (78) when librdkafka refuses a property, or the state file is another replay's.
    init(
        _ source: String, files: [ReplayFile], settings: ReplaySettings, isTerminal: Bool, stop: Stop, logger: Logger
    ) throws(Failure) {
        (self.settings, self.files, self.stop, self.logger) = (settings, files, stop, logger)
        delivery = try Delivery(
            settings.kafka,
            topics: .init(
                tweets: NewTopic(settings.topic, partitions: settings.partitions, replication: settings.replication),
                events: NewTopic(settings.topic + ".events", partitions: 1, replication: settings.replication)),
            stop: stop, logger: logger, isStopped: { stop.isRaised })
        state = try Self.load(settings.stateFile, ReplayState(source: source, window: settings.window))
        progress = ReplayProgress(totalBytes: files.reduce(0) { $0 + $1.bytes }, isTerminal: isTerminal)
    }

    /// Runs until every line is acknowledged, or the stop is raised; returns whether all were.
    ///
    /// - Throws: `Failure` when a file is damaged, or Kafka refuses the topics.
    func run() throws -> Bool {
        delivery.onReject = { [unowned self] id, reason in
            if let place = place(of: id) { refused.insert(place.state.published, reason: reason) }
        }
        try delivery.ensureTopics { stop.isRaised }
        while true {
            do {
                try pass()
                save(isDue: true)
                progress.end(published: state.published, refused: refused)
                return true
            } catch is Again {
                while !delivery.restart(through: 0), !stop.isRaised {}
                handed = 0
                places.removeAll()
            } catch is Stopped {
                save(isDue: true)
                progress.end(published: state.published, refused: refused)
                delivery.purge()
                return false
            }
        }
    }

    /// Goes through the files from what is acknowledged on.
    private func pass() throws {
        let start = state
        var done = files[..<start.file].reduce(Int64(0)) { $0 + $1.bytes }
        for index in start.file..<files.count {
            let file = files[index]
            var at = ReplayState(source: start.source, window: start.window, file: index)
            at.published = handed == 0 ? start.published : places.last?.state.published ?? state.published
            var skip = index == start.file ? start.line : 0
            var number: Int64 = 0
            let journal = file.journal ?? (settings.foreignStream, foreignJournal(file))
            let isOwn = file.journal != nil
            try file.read { line, position in
                for piece in pieces(of: line, isOwn: isOwn) where isWanted(line, piece, isOwn: isOwn) {
                    number += 1
                    let seq = isOwn ? line.seq : number
                    at.line += 1
                    if skip > 0 {
                        skip -= 1
                        continue
                    }
                    at.published += 1
                    try publish(
                        piece,
                        RecordHeaders(
                            stream: journal.0, journal: journal.1, seq: seq,
                            receivedAt: line.receivedAt ?? .now(), connection: line.connection), at: at,
                        isDamaged: line.isDamaged)
                }
                progress.tell(bytes: done + position, published: state.published)
            }
            done += file.bytes
        }
        while delivery.acknowledged.through < handed { try poll(within: .milliseconds(50)) }
    }

    private func pieces(of line: ReplayLine, isOwn: Bool) -> [[UInt8]] {
        if !isOwn {
            if unsafe line.bytes.allSatisfy({ $0 == 32 || $0 == 9 || $0 == 13 }) { return [] }
            if let lines = unsafe PageLines.split(line.bytes) { return lines }
        }
        return [unsafe Array(line.bytes)]
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

    /// Eight digits that stay the same for a file of this name and size, in this window.
    private func foreignJournal(_ file: ReplayFile) -> String {
        let name = file.path.split(separator: "/").last ?? ""
        var hash: UInt32 = 2_166_136_261
        for byte in "\(name) \(file.bytes) \(settings.window)".utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    private func publish(_ bytes: [UInt8], _ headers: RecordHeaders, at: ReplayState, isDamaged: Bool) throws {
        try keepRate()
        handed += 1
        sent += 1
        places.append(Place(id: handed, state: at, headers: headers))
        try unsafe bytes.withUnsafeBytes { value in
            if isDamaged { return unsafe delivery.declareDamaged(value, headers: headers, id: handed) }
            let chain = unsafe key.key(of: value)
            let topics = delivery.topics
            try unsafe Array((chain.map(String.init) ?? headers.stream).utf8).withUnsafeBytes { key in
                try unsafe delivery.enqueue(
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
        try delivery.poll(atMost: duration)
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

    private static func load(_ path: String?, _ new: ReplayState) throws(Failure) -> ReplayState {
        guard let path else { return new }
        let text: String
        do { text = try readTextFile(path) } catch {
            if error.isMissingFile { return new }
            throw Failure(.disk, "--state: \(error)")
        }
        guard let found = try? JSONDecoder().decode(ReplayState.self, from: Data(text.utf8)) else {
            throw Failure(.badData, "--state: \(path) is no state of a replay. Remove it to begin anew.")
        }
        guard found.source == new.source, found.window == new.window else {
            throw Failure(
                .badSettings,
                "--state: \(path) belongs to a replay of \(found.source) with another window. Remove it,"
                    + " or name another file.")
        }
        return found
    }

    private func save(isDue: Bool) {
        guard let path = settings.stateFile, isDue || ContinuousClock.now >= saveDue else { return }
        saveDue = .now + .milliseconds(500)
        guard let data = try? JSONEncoder().encode(state) else { return }
        do { try data.write(to: URL(filePath: path), options: .atomic) } catch {
            logger.warning("the state cannot be written", metadata: ["file": "\(path)"])
        }
    }
}
