import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import TweetFormat

/// What the framer handed over, as values that outlive the call.
private enum Framed: Equatable {
    case line([UInt8])
    case keepAlive
    case tooLong(bytes: Int64, head: [UInt8], sha256: String)
}

extension LineFramer {
    fileprivate mutating func lines(of chunk: some Collection<UInt8>) -> [Framed] {
        var result: [Framed] = []
        unsafe Array(chunk).withUnsafeBytes { bytes in
            unsafe feed(bytes) { found in
                switch unsafe found {
                case .line(let line): result.append(.line(unsafe Array(line)))
                case .keepAlive: result.append(.keepAlive)
                case .tooLong(let bytes, let head, let sha256):
                    result.append(.tooLong(bytes: bytes, head: head, sha256: sha256))
                }
            }
        }
        return result
    }
}

@Suite(.timeLimit(.minutes(5))) struct XLineFramerTests {
    @Test func splitsAtLineFeedsAndTrimsOneReturn() {
        var framer = LineFramer(limit: 1024)
        let found = framer.lines(of: "{\"a\":1}\r\n\r\n{\"b\"\r\r\n\n \n{\"tail\"".utf8)
        #expect(
            found == [
                .line(Array("{\"a\":1}".utf8)), .keepAlive, .line(Array("{\"b\"\r".utf8)), .keepAlive,
                .line(Array(" ".utf8)),
            ])
        #expect(framer.pendingBytes == 7)
        let dropped = framer.dropPartialLine()
        #expect(dropped.bytes == 7)
        #expect(dropped.tooLongHead == nil)
        #expect(framer.lines(of: "x\n".utf8) == [.line([UInt8(ascii: "x")])])
    }

    private func digest(_ bytes: [UInt8]) -> String {
        var digest = RunningDigest()
        unsafe bytes.withUnsafeBytes { unsafe digest.add($0) }
        return digest.result.sha256
    }

    @Test func cutsALineOverTheLimitAndGoesOn() {
        var framer = LineFramer(limit: 2000)
        let long = [UInt8](repeating: 65, count: 5000)
        let head = [UInt8](repeating: 65, count: LineFramer.headLength)
        let sha256 = digest(long)
        #expect(
            framer.lines(of: long + [13, 10, 66, 10]) == [
                .tooLong(bytes: 5000, head: head, sha256: sha256), .line([66]),
            ])
    }

    @Test func theLimitItselfIsAllowedWithEitherLineEnd() {
        for ending in ["\n", "\r\n"] {
            for chunk in [1, 7, 4000] {
                var framer = LineFramer(limit: 1024)
                let exact = [UInt8](repeating: 65, count: 1024)
                let over = [UInt8](repeating: 66, count: 1025)
                let found = (exact + ending.utf8 + over + ending.utf8).chunked(into: chunk).flatMap {
                    framer.lines(of: $0)
                }
                #expect(
                    found == [.line(exact), .tooLong(bytes: 1025, head: Array(over.dropLast()), sha256: digest(over))])
            }
        }
    }

    // In a process of its own, where no other test takes memory.
    @Test func anEndlessLineNeedsNoMoreMemoryThanTheLimit() async {
        await #expect(processExitsWith: .success) {
            var framer = LineFramer(limit: 1 << 20)
            let chunk = [UInt8](repeating: 65, count: 16_384)
            let before = residentBytes()
            for _ in 0..<8192 { #expect(framer.lines(of: chunk).isEmpty) }
            #expect(framer.pendingBytes == 8192 * 16_384)
            #expect(isSanitized || residentBytes() - before < 16 << 20)
            let dropped = framer.dropPartialLine()
            #expect(dropped.bytes == 8192 * 16_384)
            #expect(dropped.tooLongHead?.count == LineFramer.headLength)
        }
    }

    @Test func whatTheReceiverThrowsComesOut() {
        struct Full: Error {}
        for chunks in [["a\nb\n"], ["a", "\nb\n"]] {
            var framer = LineFramer(limit: 1024)
            #expect(throws: Full.self) {
                for chunk in chunks {
                    try unsafe Array(chunk.utf8).withUnsafeBytes { bytes in
                        try unsafe framer.feed(bytes) { _ throws(Full) in throw Full() }
                    }
                }
            }
        }
    }
}

extension [UInt8] {
    fileprivate func chunked(into size: Int) -> [ArraySlice<UInt8>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}

/// The resident set of this process (proc(5), statm: second number, in pages).
private func residentBytes() -> Int {
    let fields = ((try? readTextFile("/proc/self/statm")) ?? "").split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
}
