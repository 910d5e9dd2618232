import TestSupport
import Testing

@testable import Sandbox
@testable import TweetFormat

/// F5 below HTTP: however the network cuts the bytes, the lines are the same.
@Suite(.timeLimit(.minutes(4))) struct ChunkingTests {
    private enum Found: Equatable {
        case line([UInt8])
        case keepAlive
        case tooLong(bytes: Int64, head: [UInt8], sha256: String)
    }

    private func feed(_ chunk: some Collection<UInt8>, to framer: inout LineFramer) -> [Found] {
        var result: [Found] = []
        unsafe Array(chunk).withUnsafeBytes { bytes in
            unsafe framer.feed(bytes) { found in
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

    private func expectTheSameLines(_ stream: [UInt8], limit: Int, _ random: inout SplitMix64) {
        var whole = LineFramer(limit: limit)
        let expected = feed(stream, to: &whole)
        var bytewise = LineFramer(limit: limit)
        let isSameByBytes = stream.flatMap { feed([$0], to: &bytewise) } == expected
        #expect(isSameByBytes)
        for longest in [2, 400, 20_000] {
            var framer = LineFramer(limit: limit)
            var found: [Found] = []
            var rest = stream[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...min(longest, rest.count), using: &random)
                found += feed(rest.prefix(count), to: &framer)
                rest = rest.dropFirst(count)
            }
            let isSame = found == expected
            #expect(isSame)
            #expect(framer.pendingBytes == whole.pendingBytes)
        }
    }

    @Test func f05AnyChunkingOfAStreamGivesTheSameLines() {
        var random = SplitMix64(seed: 5)
        let generator = TweetGenerator(seed: 5)
        let messages = ControlMessage.disconnectTypes.map { ControlMessage.line($0) }
        var stream: [UInt8] = []
        for index in 0..<40 {
            stream += generator.line(Int64(index)) + [13, 10]
            if index % 3 == 0 { stream += [13, 10] }
            if index % 10 == 9 { stream += messages[index / 10] + [10] }
        }
        // Every tenth or so is over this limit.
        expectTheSameLines(stream, limit: 3500, &random)
        expectTheSameLines(stream + generator.line(40).dropLast(20), limit: 1 << 20, &random)
    }

    @Test func f05AnyChunkingOfOddBytesGivesTheSameLines() {
        var random = SplitMix64(seed: 20_261_120)
        for _ in 0..<60 { expectTheSameLines(oddStream(&random), limit: 1100, &random) }
    }

    /// Lines of every length around the limit, with both line ends, returns in odd places, and an unfinished end.
    private func oddStream(_ random: inout SplitMix64) -> [UInt8] {
        var stream: [UInt8] = []
        for _ in 0..<Int.random(in: 0...30, using: &random) {
            let length = Int.random(in: 0..<4, using: &random) == 0 ? 1200 : 60
            for _ in 0..<Int.random(in: 0...length, using: &random) {
                stream.append(
                    Int.random(in: 0..<20, using: &random) == 0 ? 13 : UInt8.random(in: 32...255, using: &random))
            }
            stream += Bool.random(using: &random) ? [13, 10] : [10]
        }
        return stream + [UInt8](repeating: 13, count: Int.random(in: 0...3, using: &random))
    }
}
