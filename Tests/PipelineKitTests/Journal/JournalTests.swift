import Foundation
import Glibc
import Logging
import TestSupport
import Testing

@testable import Core
@testable import Journal

/// A line as a test sees it.
struct ReadLine: Equatable {
    let seq: Int64
    let text: String
    let receivedAt: Timestamp
    let connection: Int64
}

/// Looks again and again, for half a minute, whether a condition has come true.
func comesTrue(_ condition: () -> Bool) -> Bool {
    eventually(within: .seconds(30), condition)
}

extension Journal {
    func append(_ text: String, at milliseconds: Int64 = 1000, connection: Int64 = 7) throws {
        try unsafe Array(text.utf8).withBytes { (bytes) throws(FileError) in
            try unsafe append(bytes, receivedAt: Timestamp(milliseconds: milliseconds), connection: connection)
        }
    }

    func lines(from seq: Int64 = 1) throws -> [ReadLine] {
        var reader = try JournalReader(source, from: seq)
        var result: [ReadLine] = []
        while try reader.read(
            limit: 3,
            { line in
                let text = unsafe String(decoding: line.bytes, as: UTF8.self)
                result.append(
                    ReadLine(seq: line.seq, text: text, receivedAt: line.receivedAt, connection: line.connection))
            }) > 0
        {}
        return result
    }
}

@Suite struct JournalTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    func open(_ change: (inout JournalOptions) -> Void = { _ in }) throws -> Journal {
        var options = JournalOptions()
        change(&options)
        return try Journal.open(folder: folder.path, stream: "s", options: options)
    }

    func path(_ name: String) -> String { folder.path + "/s/" + name }

    @Test func linesComeBackWithWhatTheIndexKnows() throws {
        let journal = try open()
        try journal.append("one", at: 1000, connection: 7)
        try journal.append("two\r", at: 1000, connection: 7)
        try journal.append("", at: 2000, connection: 7)
        try journal.append("four", at: 2000, connection: 8)
        #expect(try journal.lines().isEmpty, "nothing counts as received before sync")
        try journal.sync()
        #expect(
            try journal.lines() == [
                ReadLine(seq: 1, text: "one", receivedAt: Timestamp(milliseconds: 1000), connection: 7),
                ReadLine(seq: 2, text: "two\r", receivedAt: Timestamp(milliseconds: 1000), connection: 7),
                ReadLine(seq: 3, text: "", receivedAt: Timestamp(milliseconds: 2000), connection: 7),
                ReadLine(seq: 4, text: "four", receivedAt: Timestamp(milliseconds: 2000), connection: 8),
            ])
        #expect(try journal.lines(from: 3).map(\.text) == ["", "four"])
        #expect(
            try String(contentsOfFile: path("00000000000000000001.jsonl"), encoding: .utf8) == "one\ntwo\r\n\nfour\n")
    }

    @Test func openingAgainGoesOnWithTheNextNumber() throws {
        do {
            let journal = try open()
            try journal.append("one")
            try journal.sync()
        }
        let journal = try open()
        #expect(journal.recovery.tornBytes == 0)
        #expect(journal.recovery.openConnection == 7)
        #expect(journal.recovery.lastReceivedAt == Timestamp(milliseconds: 1000))
        try journal.append("two")
        try journal.sync()
        #expect(try journal.lines().map(\.seq) == [1, 2])
    }

    /// The gap of a crash is declared from what recovery says of the last connection.
    @Test func anOpenConnectionIsKnownAfterACrashBehindANewSegment() throws {
        do {
            let journal = try open()
            try journal.append("one")
            try journal.sync()
            journal.source.tail.publish(acknowledged: 1)
            journal.source.tail.requestRoll()
            try journal.sync()
            try Archiver(
                journal.source, options: ArchiveOptions(), stop: Stop(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ).archiveAcknowledged()
        }
        let journal = try open()
        #expect(journal.recovery.segment.firstSeq == 2)
        #expect(journal.recovery.openConnection == 7)
        #expect(journal.recovery.lastReceivedAt == Timestamp(milliseconds: 1000))
    }

    @Test func givingUpLinesDoesNotHideAnOpenConnection() throws {
        do {
            let journal = try open()
            try journal.append("one")
            try journal.sync()
            journal.source.tail.requestDrop(1...1)
            try journal.sync()
        }
        #expect(try open().recovery.openConnection == 7)
    }

    @Test func aReaderFollowsThroughNewSegments() throws {
        let journal = try open { $0.segmentBytes = 40 }
        for number in 1...50 {
            try journal.append("line \(number)")
            if number % 7 == 0 { try journal.sync() }
        }
        try journal.sync()
        #expect(try Segment.list(folder.path + "/s").count > 5)
        #expect(try journal.lines().map(\.text) == (1...50).map { "line \($0)" })
        for start in 1...51 {
            #expect(try journal.lines(from: Int64(start)).map(\.seq) == (start..<51).map(Int64.init))
        }
    }

    @Test func aLongLineIsReadWhole() throws {
        let long = String(repeating: "x", count: 1_000_000)
        let journal = try open()
        try journal.append("short")
        try journal.append(long)
        try journal.append("end")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["short", long, "end"])
    }

    /// Whatever part of what was not durable reaches the disk, recovery keeps every durable line, invents none, and
    /// the journal goes on without a hole.
    @Test(arguments: 0..<60) func recoveryKeepsWhatWasDurable(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var expected: [String] = []
        var durable = 0
        do {
            let journal = try open()
            for number in 0..<Int.random(in: 1...60, using: &random) {
                let text = "line \(number) " + String(repeating: "y", count: Int.random(in: 0...90, using: &random))
                expected.append(text)
                try journal.append(text, at: Int64.random(in: 0...3, using: &random))
                if Int.random(in: 0...4, using: &random) == 0 {
                    try journal.sync()
                    durable = expected.count
                }
            }
            let durableBytes = expected[..<durable].reduce(0) { $0 + $1.utf8.count + 1 }
            try journal.sync()
            // The machine dies: of what was not durable, any part may be missing or wrong.
            let data = try FileHandle(forUpdating: URL(fileURLWithPath: path("00000000000000000001.jsonl")))
            let size = try Int(data.seekToEnd())
            if durableBytes < size {
                let cut = Int.random(in: durableBytes...size, using: &random)
                if Bool.random(using: &random) {
                    try data.truncate(atOffset: UInt64(cut))
                } else if cut < size {
                    try data.seek(toOffset: UInt64(cut))
                    try data.write(contentsOf: Data(repeating: 0, count: size - cut))
                }
            }
        }
        let journal = try open()
        let kept = try journal.lines().map(\.text)
        #expect(kept.count >= durable)
        #expect(kept == Array(expected[..<kept.count]))
        try journal.append("after")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == kept + ["after"])
        #expect(try journal.lines().map(\.seq) == (1...Int64(kept.count + 1)).map { $0 })
    }

    @Test func bytesBehindTheIndexAreCutAndCounted() throws {
        do {
            let journal = try open()
            try journal.append("one")
            try journal.sync()
        }
        let data = try FileHandle(forWritingTo: URL(fileURLWithPath: path("00000000000000000001.jsonl")))
        try data.seekToEnd()
        try data.write(contentsOf: Data("half a li".utf8))
        let journal = try open()
        #expect(journal.recovery.tornBytes == 9)
        #expect(try journal.lines().map(\.text) == ["one"])
    }

    @Test func aLostIndexIsMadeAnew() throws {
        do {
            let journal = try open()
            try journal.append("one")
            try journal.append("two")
            try journal.sync()
        }
        try FileManager.default.removeItem(atPath: path("00000000000000000001.idx"))
        let journal = try open()
        #expect(try journal.lines().map(\.text) == ["one", "two"])
        #expect(try journal.lines().map(\.connection) == [0, 0])
    }

    @Test func numbersNeverGoBackBehindTheCheckpoint() throws {
        do {
            let journal = try open()
            try journal.append("one")
            try journal.sync()
            try Checkpoint(journal: journal.source.journal, acknowledged: 9).write(to: journal.source.folder)
        }
        let journal = try open()
        try journal.append("ten")
        try journal.sync()
        #expect(try journal.lines(from: 10).map(\.seq) == [10])
    }

    @Test func aSecondProcessIsRefusedAndToldWhoHoldsIt() throws {
        let journal = try open()
        let failure = #expect(throws: Failure.self) { _ = try open() }
        #expect(failure?.status == .tryAgain)
        #expect(failure?.description.contains("pid \(ProcessInfo.processInfo.processIdentifier)") == true)
        withExtendedLifetime(journal) {}
    }

    /// As by `journal status`, or by a child process that has not loaded its program yet.
    @Test func aLockThatIsHeldForAMomentIsWaitedFor() throws {
        _ = try open()
        let path = folder.path + "/s/lock"
        let taken = Stop()
        let holder = JoinableThread(name: "holder") {
            do {
                let file = try JournalFile(reading: path)
                #expect(try file.lock())
                taken.raise()
                // The moment: whoever opens the journal meets the lock first.
                usleep(200_000)
            } catch { Issue.record(error) }
            taken.raise()
        }
        taken.wait(for: .seconds(90))
        #expect(throws: Never.self) { _ = try open() }
        holder.join()
    }

    @Test func aFolderThatCannotBeMadeIsNamed() throws {
        let file = folder.path + "/file"
        try Data().write(to: URL(fileURLWithPath: file))
        let failure = #expect(throws: Failure.self) {
            _ = try Journal.open(folder: file + "/below", stream: "s")
        }
        #expect(failure?.status == .disk)
        #expect(failure?.description.contains(file) == true)
    }

    @Test func aStreamNameThatIsNoFolderNameIsRefused() throws {
        for name in ["", "../up", "a/b", ".hidden", "naïve"] {
            let failure = #expect(throws: Failure.self) { _ = try Journal.open(folder: folder.path, stream: name) }
            #expect(failure?.status == .badSettings)
        }
    }

    @Test func aDamagedCheckpointIsNotGuessedAt() throws {
        do { _ = try open() }
        try "{\"jou".write(toFile: path("checkpoint.json"), atomically: true, encoding: .utf8)
        let failure = #expect(throws: Failure.self) { _ = try open() }
        #expect(failure?.description.contains("checkpoint.json is damaged") == true)
    }

    @Test func acknowledgedLinesMoveInOrder() {
        var lines = AcknowledgedLines(through: 3)
        lines.acknowledge(6)
        lines.acknowledge(5)
        #expect(lines.through == 3)
        lines.acknowledge(4)
        #expect(lines.through == 6)
        lines.acknowledge(2)
        #expect(lines.through == 6)
    }

    /// What is appended while the disk works counts only with a later sync.
    @Test func aSyncInTheBackgroundShowsWhatWasAppendedBefore() throws {
        let journal = try open()
        #expect(try journal.syncInBackground() == nil && journal.timeToSync.map { $0 > .zero } ?? true)
        try journal.append("one")
        try journal.append("two")
        _ = try journal.syncInBackground()
        try journal.append("three")
        #expect(comesTrue { journal.source.tail.lastSeq == 2 })
        #expect(try journal.lines().map(\.text) == ["one", "two"])
        #expect(comesTrue { journal.timeToSync == .zero }, "the writer is to hear of it")
        #expect(try journal.syncInBackground() != nil, "it says how long that took")
        try journal.append("four")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["one", "two", "three", "four"])
        journal.source.tail.requestRoll()
        try journal.append("five")
        _ = try journal.syncInBackground()
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [1, 6], "a new segment is not begun before")
        #expect(journal.source.tail.lastSeq == 5)
    }

    /// However slow the disk is, no more than eight groups wait for it.
    @Test func whatWaitsForTheDiskIsBounded() throws {
        let journal = try open { $0.syncBytes = 100 }
        for number in 1...200 {
            try journal.append(String(repeating: "x", count: 99), at: Int64(number))
            if journal.timeToSync.map({ $0 <= .zero }) ?? false { _ = try journal.syncInBackground() }
            #expect(journal.lastSeq - journal.source.tail.lastSeq <= 9)
        }
        try journal.sync()
        #expect(try journal.lines().count == 200)
    }

    @Test func acknowledgementsInAnyOrderMoveTheCheckpoint() {
        var random = SystemRandomNumberGenerator()
        for start in [0, 1, 62, 63, 64, 1000] as [Int64] {
            var lines = AcknowledgedLines(through: start)
            var (reports, open) = (Array((start + 1)...(start + 5000)), Set((start + 1)...(start + 5000)))
            // As reports come: some hundreds of lines are under way.
            for place in reports.indices {
                reports.swapAt(place, min(place + Int.random(in: 0..<300, using: &random), 4999))
            }
            for (count, seq) in reports.enumerated() {
                lines.acknowledge(seq)
                open.remove(seq)
                if count % 97 == 0 || open.isEmpty { #expect(lines.through == (open.min() ?? start + 5001) - 1) }
            }
        }
    }

    @Test func linesThatAreGoneArePassedOver() {
        var lines = AcknowledgedLines(through: 10)
        lines.skip(1_000...2_000_000_000)
        lines.skip(20...30)
        lines.skip(5...8)
        #expect(lines.through == 10)
        for seq in 11...19 as ClosedRange<Int64> { lines.acknowledge(seq) }
        #expect(lines.through == 30)
        for seq in 31...999 as ClosedRange<Int64> { lines.acknowledge(seq) }
        #expect(lines.through == 2_000_000_000)
        lines.acknowledge(2_000_000_001)
        #expect(lines.through == 2_000_000_001)
    }

    @Test func catchingUpIsToldFromALiveStream() {
        let start = ContinuousClock.now
        var live = CatchUp(acknowledged: 0, at: start)
        var fast = CatchUp(acknowledged: 0, at: start)
        for half in 1...10 as ClosedRange<Int64> {
            let now = start + .milliseconds(500 * half)
            let answers = (
                live.isGoingOn(acknowledged: half * 5000, at: now), fast.isGoingOn(acknowledged: half * 15_000, at: now)
            )
            #expect(answers == (false, true))
        }
        let isRemembered = fast.isGoingOn(acknowledged: 150_000, at: start + .milliseconds(6900))
        let isOver = !fast.isGoingOn(acknowledged: 150_000, at: start + .milliseconds(7100))
        #expect(isRemembered && isOver)
    }
}
