import Core
import Digests

/// What `LineFramer` found in the bytes of a stream.
@unsafe
package enum FramedLine {
    /// A line without its line end; never empty, and only valid during the call that hands it over.
    case line(UnsafeRawBufferPointer)
    /// An empty line: X's sign that the connection is alive.
    case keepAlive
    /// A line over the limit, cut: how long it was without its line end, how it began, and the SHA-256 of the whole of it.
    case tooLong(bytes: Int64, head: [UInt8], sha256: String)
}

/// Splits the body of a stream into lines, whatever way the network cut it into chunks.
///
/// Lines end with `\n`; one `\r` before it belongs to the line end. JSON escapes line breaks, so no message holds
/// one. A line within one chunk is handed over in place; only what a chunk leaves unfinished is copied. Memory is
/// bounded by the line limit: what is longer is counted and skipped up to its end. (Files are cut by `LineCutter`, which keeps
/// every byte of a line and every empty line, since lines of an archive are counted, and stops at the first one over its limit.)
package struct LineFramer {
    /// How many bytes of a line over the limit are kept.
    package static let headLength = 1024

    /// The longest line that is handed over whole, in bytes without the line end.
    package let limit: Int

    private var partial: [UInt8] = []
    private var skipped: SkippedLine?

    private struct SkippedLine {
        let head: [UInt8]
        var bytes: Int64
        /// The last byte is a `\r`, which the digest has not got yet: it may be of the line end.
        var endsWithReturn = false
        var digest = RunningDigest()

        init(head: [UInt8], bytes: Int64, beginning: [UInt8], _ rest: UnsafeRawBufferPointer) {
            self.head = head
            self.bytes = bytes
            unsafe beginning.withUnsafeBytes { unsafe addToDigest($0) }
            unsafe addToDigest(rest)
        }

        mutating func add(_ piece: UnsafeRawBufferPointer) {
            bytes += Int64(piece.count)
            unsafe addToDigest(piece)
        }

        private mutating func addToDigest(_ piece: UnsafeRawBufferPointer) {
            guard let last = unsafe piece.last else { return }
            if endsWithReturn { unsafe [UInt8(ascii: "\r")].withUnsafeBytes { unsafe digest.add($0) } }
            endsWithReturn = last == UInt8(ascii: "\r")
            unsafe digest.add(endsWithReturn ? UnsafeRawBufferPointer(rebasing: piece.dropLast()) : piece)
        }
    }

    /// - Parameter limit: the line limit; at least `headLength`, so that the head of a line over the limit is full.
    package init(limit: Int) {
        precondition(limit >= Self.headLength, "a line limit below the length of a head")
        self.limit = limit
    }

    /// How many bytes have come of the line that is not finished yet.
    package var pendingBytes: Int64 { skipped?.bytes ?? Int64(partial.count) }

    /// Takes the next bytes of the stream and hands over each line that they complete, in order.
    ///
    /// - Throws: what `handOver` throws; the rest of the chunk is then lost, so the stream must end.
    package mutating func feed<Failing: Error>(
        _ chunk: UnsafeRawBufferPointer, _ handOver: (FramedLine) throws(Failing) -> Void
    ) throws(Failing) {
        var rest = unsafe chunk
        while let end = unsafe rest.firstLineFeed {
            try unsafe finishLine(with: UnsafeRawBufferPointer(rebasing: rest[..<end]), handOver)
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...])
        }
        unsafe keep(rest)
    }

    /// Hands over what stands behind the last line feed of a body that has ended in due form, when it is a whole line.
    ///
    /// - Parameters:
    ///   - isWhole: whether these bytes are a whole message.
    ///   - handOver: takes the line.
    /// - Throws: what `handOver` throws.
    package mutating func finish<Failing: Error>(
        _ isWhole: (UnsafeRawBufferPointer) -> Bool, _ handOver: (FramedLine) throws(Failing) -> Void
    ) throws(Failing) {
        guard skipped == nil, !partial.isEmpty else { return }
        let rest = partial
        try unsafe rest.withBytes { (bytes) throws(Failing) in
            let line = unsafe withoutReturn(bytes)
            guard unsafe !line.isEmpty && line.count <= limit && isWhole(line) else { return }
            partial.removeAll(keepingCapacity: true)
            try unsafe handOver(.line(line))
        }
    }

    /// Forgets the unfinished line at the end of a connection.
    ///
    /// - Returns: how many bytes were dropped, and how the line began if it was already over the limit.
    package mutating func dropPartialLine() -> (bytes: Int64, tooLongHead: [UInt8]?) {
        defer {
            partial.removeAll(keepingCapacity: true)
            skipped = nil
        }
        return (pendingBytes, skipped?.head)
    }

    private mutating func finishLine<Failing: Error>(
        with ending: UnsafeRawBufferPointer, _ handOver: (FramedLine) throws(Failing) -> Void
    ) throws(Failing) {
        if skipped == nil && partial.isEmpty {
            return try unsafe give(withoutReturn(ending), handOver)
        }
        unsafe keep(ending)
        if let line = skipped {
            skipped = nil
            return try unsafe handOver(
                .tooLong(
                    bytes: line.bytes - (line.endsWithReturn ? 1 : 0), head: line.head,
                    sha256: line.digest.result.sha256))
        }
        // Taken out while it is lent, so that the closure cannot reach the array through this framer.
        var whole: [UInt8] = []
        swap(&whole, &partial)
        defer {
            whole.removeAll(keepingCapacity: true)
            swap(&whole, &partial)
        }
        try unsafe whole.withBytes { (line) throws(Failing) in try unsafe give(withoutReturn(line), handOver) }
    }

    private func give<Failing: Error>(
        _ line: UnsafeRawBufferPointer, _ handOver: (FramedLine) throws(Failing) -> Void
    ) throws(Failing) {
        if unsafe line.isEmpty {
            try unsafe handOver(.keepAlive)
        } else if line.count > limit {
            var digest = RunningDigest()
            unsafe digest.add(line)
            try unsafe handOver(
                .tooLong(
                    bytes: Int64(line.count), head: Array(line.prefix(Self.headLength)), sha256: digest.result.sha256))
        } else {
            try unsafe handOver(.line(line))
        }
    }

    /// Adds bytes without a line feed to the unfinished line.
    private mutating func keep(_ bytes: UnsafeRawBufferPointer) {
        guard unsafe !bytes.isEmpty else { return }
        if skipped != nil {
            unsafe skipped?.add(bytes)
            return
        }
        // One more than the limit may still be the `\r` of the line end.
        if partial.count + bytes.count <= limit + 1 {
            unsafe partial.append(contentsOf: bytes)
            return
        }
        let missing = max(0, Self.headLength - partial.count)
        let head = unsafe Array(partial.prefix(Self.headLength)) + bytes.prefix(missing)
        let count = Int64(partial.count) + Int64(bytes.count)
        skipped = unsafe SkippedLine(head: head, bytes: count, beginning: partial, bytes)
        partial.removeAll(keepingCapacity: true)
    }
}

private func withoutReturn(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    guard unsafe line.last == UInt8(ascii: "\r") else { return unsafe line }
    return unsafe UnsafeRawBufferPointer(rebasing: line.dropLast())
}
