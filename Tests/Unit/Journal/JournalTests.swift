import Foundation
import Logging
import TestSupport
import Testing

@testable import Core
@testable import Journal

@Suite(.timeLimit(.minutes(5))) struct JournalTests {
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

    @Test(arguments: [
        ("0a1b2c3d", true), ("00000000", true), ("0A1B2C3D", false), ("0a1b2c3", false), ("0a1b2c3d4", false),
        ("0a1b2cé", false), ("0a1b2c3g", false), ("", false),
    ])
    func theIDOfAJournalIsEightHexadecimalDigitsInLowerCase(text: String, isID: Bool) throws {
        #expect(JournalIdentity.isID(text) == isID)
        let journal = try open()
        #expect(JournalIdentity.isID(journal.source.journal))
    }

    @Test func linesComeBackWithWhatTheIndexKnows() throws {
        let journal = try open { $0.syncDelay = .seconds(3600) }
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

    /// The machine dies: of what was not durable, any part may be missing or wrong.
    private func damage(behind durableBytes: Int, _ random: inout SplitMix64) throws {
        let data = try FileHandle(forUpdating: URL(fileURLWithPath: path("00000000000000000001.jsonl")))
        let size = try Int(data.seekToEnd())
        guard durableBytes < size else { return }
        let cut = Int.random(in: durableBytes...size, using: &random)
        if Bool.random(using: &random) {
            try data.truncate(atOffset: UInt64(cut))
        } else if cut < size {
            try data.seek(toOffset: UInt64(cut))
            try data.write(contentsOf: Data(repeating: 0, count: size - cut))
        }
    }

    /// Whatever part of what was not durable reaches the disk, recovery keeps every durable line, invents none, and
    /// the journal goes on without a hole.
    @Test(arguments: 0..<60) func recoveryKeepsWhatWasDurable(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var expected: [String] = []
        var durable = 0
        do {
            // By itself nothing becomes durable: how much is, says the test alone.
            let journal = try open { $0.syncDelay = .seconds(3600) }
            for number in 0..<Int.random(in: 1...60, using: &random) {
                let text = "line \(number) " + String(repeating: "y", count: Int.random(in: 0...90, using: &random))
                expected.append(text)
                try journal.append(text, at: Int64.random(in: 0...3, using: &random))
                if Int.random(in: 0...4, using: &random) == 0 {
                    try journal.sync()
                    durable = expected.count
                }
            }
            try journal.sync()
            try damage(behind: expected[..<durable].reduce(0) { $0 + $1.utf8.count + 1 }, &random)
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
        let failure = #expect(throws: JournalError.self) { _ = try open() }
        #expect(failure?.disposition == .retry)
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
                endure(.milliseconds(200))
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
        let failure = #expect(throws: JournalError.self) {
            _ = try Journal.open(folder: file + "/below", stream: "s")
        }
        #expect(failure?.disposition == .operator(.disk))
        #expect(failure?.description.contains(file) == true)
    }

    @Test func aStreamNameThatIsNoFolderNameIsRefused() throws {
        for name in ["", "../up", "a/b", ".hidden", "naïve"] {
            let failure = #expect(throws: JournalError.self) { _ = try Journal.open(folder: folder.path, stream: name) }
            #expect(failure?.disposition == .operator(.settings))
        }
    }

    @Test func aDamagedCheckpointIsNotGuessedAt() throws {
        do { _ = try open() }
        try "{\"jou".write(toFile: path("checkpoint.json"), atomically: true, encoding: .utf8)
        let failure = #expect(throws: JournalError.self) { _ = try open() }
        #expect(failure?.description.contains("checkpoint.json is damaged") == true)
    }

    /// Nobody has to ask for a group: it becomes durable a while after its first line.
    @Test func aGroupBecomesDurableByItself() throws {
        let journal = try open()
        try journal.append("one")
        #expect(journal.isDurable(try journal.append("two")))
        #expect(try journal.lines().map(\.text) == ["one", "two"])
        #expect(journal.isDurable(try journal.append("three")))
        journal.source.tail.requestRoll()
        #expect(try eventually { try Segment.list(folder.path + "/s").map(\.firstSeq) == [1, 4] })
        try journal.append("four")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["one", "two", "three", "four"])
    }
}
