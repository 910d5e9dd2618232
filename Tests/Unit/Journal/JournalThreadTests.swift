import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Core
@testable import Journal

/// A disk that works until it is released.
final class SlowDisk: Sendable {
    private let state = Mutex((isBusy: false, isReleased: false))
    private let changed = Signal()

    var isBusy: Bool { state.withLock { $0.isBusy } }

    func work() {
        state.withLock { $0.isBusy = true }
        changed.wait(until: .now + .seconds(60)) { state.withLock { $0.isReleased } }
        state.withLock { $0.isBusy = false }
    }

    func release() {
        state.withLock { $0.isReleased = true }
        changed.notify()
    }
}

/// Several threads, and a disk that is slow.
extension JournalTests {
    /// However slow the disk is, no more than eight groups wait for it.
    @Test func whatWaitsForTheDiskIsBounded() throws {
        let journal = try open { $0.syncBytes = 100 }
        for number in 1...200 {
            try journal.append(String(repeating: "x", count: 99), at: Int64(number))
            #expect(journal.lastSeq - journal.source.tail.lastSeq <= 9)
        }
        try journal.sync()
        #expect(try journal.lines().count == 200)
    }

    /// Lines of two threads have numbers without holes, and what one thread appends together stays together.
    @Test func twoThreadsAppendAtTheSameTime() throws {
        let journal = try open { ($0.segmentBytes, $0.syncBytes) = (20_000, 1000) }
        let other = JoinableThread(name: "other") {
            for number in 1...1000 {
                let lines = ["a", "b", "c"].map { Array("beside \(number)\($0)".utf8) }
                let position = try? journal.append(JournalChunk(lines: lines, connection: 9))
                if number % 100 == 0 { #expect(position.map(journal.isDurable) == true) }
            }
        }
        for number in 1...3000 { try journal.append("stream \(number)", at: Int64(number / 7), connection: 7) }
        other.join()
        try journal.sync()
        let lines = try journal.lines()
        #expect(lines.map(\.seq) == Array(1...6000))
        #expect(lines.filter { $0.connection == 7 }.map(\.text) == (1...3000).map { "stream \($0)" })
        let beside = lines.filter { $0.connection == 9 }
        #expect(beside.map(\.text) == (1...1000).flatMap { n in ["a", "b", "c"].map { "beside \(n)\($0)" } })
        #expect(stride(from: 0, to: beside.count, by: 3).allSatisfy { beside[$0 + 2].seq == beside[$0].seq + 2 })
        #expect(try JournalVerification(folder: folder.path, stream: "s").problems == [])
    }

    /// While the disk works for one thread, another one appends.
    @Test func whoAppendsDoesNotWaitForAnothersSync() throws {
        let journal = try open { $0.syncDelay = .seconds(3600) }
        let disk = SlowDisk()
        defer { disk.release() }
        journal.observer.onSync { () throws(FileError) in disk.work() }
        let first = try journal.append("one")
        let other = JoinableThread(name: "other") { #expect(throws: Never.self) { try journal.sync() } }
        #expect(eventually { disk.isBusy })
        for _ in 1...100 { try journal.append("more") }
        #expect(disk.isBusy && journal.source.tail.lastSeq == 0 && journal.lastSeq == 101)
        disk.release()
        other.join()
        #expect(journal.isDurable(first) && journal.source.tail.lastSeq == 1, "what came later is another group")
        try journal.sync()
        #expect(journal.source.tail.lastSeq == 101)
    }

    /// What is asked for just behind the writer's look is seen at once, and not with the next line.
    @Test func aRequestBehindTheLookWakesTheWriter() {
        let buffer = JournalBuffer(from: 1, size: 0, last: LastLine(), options: JournalOptions())
        let began = ContinuousClock.now
        var looks = 0
        let turn = buffer.nextTurn {
            looks += 1
            if looks == 1 { buffer.wakeWriter() }
            return looks == 1 ? began + .seconds(60) : .now
        }
        #expect(turn?.isWriting == true && looks == 2)
        #expect(ContinuousClock.now - began < .seconds(50))
    }

    /// Who asks may have looked before the loss was journalled.
    @Test func aLossIsAskedForOnce() {
        let tail = JournalTail(.init(seq: 11, segment: 1, offset: 0), acknowledged: 0)
        tail.requestDrop(1...5)
        #expect(tail.dropRequest == 1...5)
        tail.settleDropRequest(1...5)
        tail.requestDrop(1...5)
        #expect(tail.dropRequest == nil)
        tail.requestDrop(6...10)
        #expect(tail.dropRequest == 6...10)
    }
}
