import Core
import Foundation
import Glibc
import Journal
import Logging
import TestSupport
import Testing
import TweetFormat

@testable import TweetProducer

/// What the reader thread does while the journal takes no lines.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct JournalOutageTests {
    let folder: TemporaryFolder
    let stop = Stop()
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryFolder()
    }

    func open(quota: Int64 = 100_000, segmentBytes: Int64 = 10_000) throws -> Journal {
        var options = JournalOptions()
        options.quota = quota
        options.reserve = 20_000
        options.segmentBytes = segmentBytes
        return try Journal.open(folder: folder.path, stream: "s", options: options)
    }

    func fill(_ journal: Journal) throws -> FileError {
        while true {
            // The id is the line's number.
            let start = "{\"data\":{\"id\":\"\(journal.source.tail.lastSeq + 1)\",\"text\":\""
            let line = Array((start + String(repeating: "x", count: 995 - start.utf8.count) + "\"}}").utf8)
            do throws(FileError) {
                try unsafe line.withBytes { (bytes) throws(FileError) in
                    try unsafe journal.append(bytes, receivedAt: .now(), connection: 7)
                }
                try journal.sync()
            } catch { return error }
        }
    }

    func events(_ journal: Journal, from seq: Int64) throws -> [PipelineEvent] {
        var reader = try JournalReader(journal.source, from: seq)
        var events: [PipelineEvent] = []
        while try reader.read(
            limit: 10,
            { line in
                if let event = unsafe PipelineEvent(line: Array(line.bytes)) { events.append(event) }
            }) > 0
        {}
        return events
    }

    private func run(_ archive: (inout ArchiveOptions) -> Void, on journal: Journal) -> JoinableThread {
        var options = ArchiveOptions()
        archive(&options)
        let (source, stop, logger, chosen) = (journal.source, stop, logger, options)
        return JoinableThread(name: "archiver") {
            Archiver(source, options: chosen, stop: stop, logger: logger).run()
        }
    }

    @Test func withDropOldestItGoesOnByItself() throws {
        let journal = try open()
        let error = try fill(journal)
        #expect(error.code == EDQUOT)
        let last = journal.source.tail.lastSeq
        let archiver = run({ $0.whenFull = .dropOldest }, on: journal)
        let outage = JournalOutage(stop: stop, logger: logger)
        #expect(outage.waitOut(error, in: journal))
        stop.raise()
        archiver.join()
        let events = try events(journal, from: last + 1)
        // The archiver may ask for the first drop before the outage is declared, so the order of these two is free.
        let interruptions = events.filter { $0.type == .disconnected }
        #expect(interruptions.map(\.cause) == ["journal_full"])
        #expect(interruptions.map(\.connection) == ["7"])
        #expect(interruptions.map(\.newestID) == ["\(last)"])
        let drops = events.filter { $0.type == .dropped }
        #expect(drops.count == events.count - 1)
        #expect(drops.first?.seq == 1)
    }

    /// Programs that keep all processors busy, and hundreds of segments that are yet to be archived, hold up nothing.
    @Test func withDropOldestThereIsRoomAtOnceOnABusyHost() throws {
        let journal = try open(quota: 2_000_000, segmentBytes: 2000)
        let error = try fill(journal)
        let source = journal.source
        source.tail.publish(acknowledged: source.tail.lastSeq)
        let busy = BusyProcessors()
        defer { busy.stop() }
        let archiver = run({ $0.whenFull = .dropOldest }, on: journal)
        let outage = JournalOutage(stop: stop, logger: logger)
        let begin = ContinuousClock.now
        #expect(outage.waitOut(error, in: journal))
        let took = ContinuousClock.now - begin
        #expect(isSanitized || took < .seconds(10), "\(took)")
        stop.raise()
        archiver.join()
    }

    @Test func withStopItWaitsForRoomAndLosesNothing() throws {
        let journal = try open()
        let error = try fill(journal)
        let (source, last) = (journal.source, journal.source.tail.lastSeq)
        let archiver = run({ $0.keep = .bytes(0) }, on: journal)
        let log = LogRecorder()
        let publisher = JoinableThread(name: "publisher") {
            // Kafka comes back when the outage has begun, and takes the first half.
            #expect(log.wait { $0.level == .error })
            #expect(!source.space.hasRoom)
            source.tail.publish(acknowledged: last / 2)
        }
        let outage = JournalOutage(stop: stop, logger: log.logger)
        #expect(outage.waitOut(error, in: journal))
        #expect(source.space.hasRoom)
        publisher.join()
        stop.raise()
        archiver.join()
        let events = try events(journal, from: last + 1)
        #expect(events.map(\.type) == [.disconnected])
        var reader = try JournalReader(source, from: last / 2 + 1)
        var count: Int64 = 0
        while try reader.read(limit: 100, { _ in count += 1 }) > 0 {}
        #expect(count == source.tail.lastSeq - last / 2)
    }

    @Test func aStopEndsTheWait() throws {
        let journal = try open()
        let error = try fill(journal)
        stop.raise()
        let outage = JournalOutage(stop: stop, logger: logger)
        #expect(outage.waitOut(error, in: journal), "the end can still be journalled")
        try journal.append(PipelineEvent(.stopped))
        try journal.sync()
    }
}
