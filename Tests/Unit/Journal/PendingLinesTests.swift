import Core
import TestSupport
import Testing

@testable import Journal

@Suite("Journal: lines on their way to the disk", .timeLimit(.minutes(5)))
struct PendingLinesTests {
    private func append(_ count: Int, to lines: inout PendingLines) {
        for number in 0..<count {
            unsafe Array("line \(number)".utf8).withBytes { line in
                unsafe lines.append(line, receivedAt: Timestamp(milliseconds: Int64(number / 10)), connection: 7)
            }
        }
    }

    /// At full speed a new buffer of megabytes for each group cost a third of the processor's time.
    @Test("the memory of what was written is used again, with nothing of it left")
    func reuse() {
        var lines = PendingLines(from: 5, beginsSegment: true)
        append(100, to: &lines)
        lines.last = LastLine(connection: 7, receivedAt: .now())
        let place = unsafe lines.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        lines.reuse(from: 105)
        #expect(lines.isEmpty && lines.firstSeq == 105 && lines.endSeq == 105 && !lines.beginsSegment)
        #expect(lines.last.connection == 0 && lines.last.receivedAt == nil)
        append(100, to: &lines)
        let again = unsafe lines.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(again == place)
        #expect(lines.groups.map(\.firstSeq) == stride(from: 105, to: 205, by: 10).map { $0 })
    }
}
