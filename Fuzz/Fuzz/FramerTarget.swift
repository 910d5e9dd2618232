import TweetFormat

/// The line framer: whatever the chunks, the lines are those that cutting the whole at its line feeds gives.
enum FramerTarget {
    /// What was handed over, with bytes of its own.
    private enum Found: Equatable {
        case line([UInt8])
        case keepAlive
        case tooLong(Int64, [UInt8], sha256: String)
    }

    /// The first two bytes choose the line limit and the sizes of the chunks; the rest is the stream.
    static func run(_ input: UnsafeRawBufferPointer) {
        guard input.count > 2 else { return }
        let limit = unsafe LineFramer.headLength + Int(input[0])
        let stream = unsafe UnsafeRawBufferPointer(rebasing: input[2...])
        let (lines, rest) = unsafe model(stream, limit: limit)
        let (whole, wholeRest) = unsafe feed(stream, limit: limit) { stream.count }
        expect(whole == lines && wholeRest == rest, "one chunk gives the lines of the whole")
        var state = unsafe UInt32(input[1]) &+ 1
        let (parts, partsRest) = unsafe feed(stream, limit: limit) {
            state = state &* 1_664_525 &+ 1_013_904_223
            // Mostly small chunks, down to single bytes.
            return state >> 31 == 0 ? 1 + Int(state >> 24) % 7 : 1 + Int(state >> 16) % 1500
        }
        expect(parts == lines && partsRest == rest, "any chunks give the lines of the whole")
    }

    private static func feed(
        _ stream: UnsafeRawBufferPointer, limit: Int, _ size: () -> Int
    ) -> (found: [Found], rest: Int64) {
        var framer = LineFramer(limit: limit)
        var found: [Found] = []
        var start = 0
        while start < stream.count {
            let end = min(start + max(1, size()), stream.count)
            unsafe framer.feed(UnsafeRawBufferPointer(rebasing: stream[start..<end])) { (line) throws(Never) in
                switch unsafe line {
                case .line(let bytes): unsafe found.append(.line(Array(bytes)))
                case .keepAlive: found.append(.keepAlive)
                case .tooLong(let bytes, let head, let sha256): found.append(.tooLong(bytes, head, sha256: sha256))
                }
            }
            start = end
        }
        let rest = unsafe stream.count - (lastLineEnd(stream) ?? 0)
        expect(framer.pendingBytes == Int64(rest), "the unfinished line is counted")
        return (found, framer.dropPartialLine().bytes)
    }

    private static func lastLineEnd(_ stream: UnsafeRawBufferPointer) -> Int? {
        unsafe stream.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
    }

    /// The same by other means: the whole, cut at its line feeds.
    private static func model(_ stream: UnsafeRawBufferPointer, limit: Int) -> (found: [Found], rest: Int64) {
        var pieces = unsafe Array(stream).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let rest = pieces.removeLast()
        let found = pieces.map { piece -> Found in
            let line = Array(piece.last == UInt8(ascii: "\r") ? piece.dropLast() : piece)
            if line.isEmpty { return .keepAlive }
            guard line.count > limit else { return .line(line) }
            return .tooLong(
                Int64(line.count), Array(line.prefix(LineFramer.headLength)), sha256: digest(of: line, limit: limit))
        }
        return (found, Int64(rest.count))
    }

    /// Of the line alone, which comes as a whole: then there is nothing to add up.
    private static func digest(of line: [UInt8], limit: Int) -> String {
        var framer = LineFramer(limit: limit)
        var digest = ""
        unsafe (line + [13, 10]).withUnsafeBytes { bytes in
            unsafe framer.feed(bytes) { (found) throws(Never) in
                if case .tooLong(_, _, let sha256) = unsafe found { digest = sha256 }
            }
        }
        return digest
    }
}
