import Core
import FoundationEssentials

/// When, and on which connection, the lines of an archived file were received.
package struct ReceiptBook {
    private struct Receipt: Decodable {
        var seq: Int64
        var lines: Int64
        var received_at: String
        var connection: String
    }

    private var receipts: [(seqs: Range<Int64>, at: Timestamp, connection: Int64)] = []
    private var place = 0

    /// Reads a file of receipts.
    ///
    /// - Throws: `GzipError`, or `JournalError`: `reject`, when it is damaged; `FileError` when it cannot be read.
    package init(_ path: String) throws {
        let decoder = JSONDecoder()
        var found: [(seqs: Range<Int64>, at: Timestamp, connection: Int64)] = []
        try unsafe LineFile(path).read { bytes, _, _ in
            guard let receipt = try? unsafe decoder.decode(Receipt.self, from: Data(bytes)), receipt.lines > 0,
                let at = Timestamp(receipt.received_at)
            else { throw JournalError(.reject, "\(path) is damaged: a line is not a receipt") }
            found.append((receipt.seq..<receipt.seq + receipt.lines, at, Int64(receipt.connection) ?? 0))
        }
        receipts = found
    }

    /// Whether it covers all these lines, and each once.
    func covers(_ seqs: ClosedRange<Int64>) -> Bool {
        var next = seqs.lowerBound
        for receipt in receipts {
            guard receipt.seqs.lowerBound == next else { return false }
            next = receipt.seqs.upperBound
        }
        return next == seqs.upperBound + 1
    }

    /// The receipt of a line; lines are asked for in order.
    package mutating func receipt(of seq: Int64) -> (at: Timestamp, connection: Int64)? {
        while place < receipts.count, receipts[place].seqs.upperBound <= seq { place += 1 }
        guard place < receipts.count, receipts[place].seqs.contains(seq) else { return nil }
        return (receipts[place].at, receipts[place].connection)
    }
}
