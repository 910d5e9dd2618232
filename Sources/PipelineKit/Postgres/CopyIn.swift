internal import CPostgres
import Core
import Glibc

extension PostgresConnection {
    /// Bytes handed to libpq at once: below 32 KiB calls and system calls dominate, above 128 KiB it gets slower again.
    private static let chunk = 65_536

    /// Sends rows in PostgreSQL's binary COPY format (PostgreSQL, "COPY", Binary Format) and waits for the outcome.
    ///
    /// While the server is busy nothing is sent: that is the back-pressure.
    /// - Parameters:
    ///   - table: name of the table, as it stands in SQL.
    ///   - columns: names of the columns, in the rows' order.
    ///   - bytes: the buffer that holds the rows.
    ///   - rows: where each row is in `bytes`; neighbours are sent as one piece.
    ///   - statement: a statement of our own making to run before, in the same message.
    /// - Returns: how many rows the server took.
    /// - Throws: `PostgresError`; the transaction is failed then, unless a savepoint helps.
    @discardableResult
    package func copy(
        into table: String, columns: [String], bytes: [UInt8], rows: [Range<Int>],
        after statement: String? = nil
    ) throws(PostgresError) -> Int {
        let operation = "COPY into \(table)"
        let copy = "COPY \(table) (\(columns.joined(separator: ", "))) FROM STDIN (FORMAT binary)"
        try execute(statement.map { "\($0); \(copy)" } ?? copy, doing: operation)
        // A blocking libpq would wait inside of PQputCopyData, where neither a deadline nor the stop is seen.
        unsafe PQsetnonblocking(handle, 1)
        defer { unsafe PQsetnonblocking(handle, 0) }
        try put(Self.header, 0..<Self.header.count, operation)
        var unsent = 0
        for piece in Pieces(rows) {
            try put(bytes, piece, operation)
            unsent += piece.count
            guard unsent >= Self.chunk else { continue }
            try flush(operation)
            unsent = 0
        }
        try put([0xFF, 0xFF], 0..<2, operation)
        FailPoint.copyEnd.pass()
        guard unsafe PQputCopyEnd(handle, nil) == 1 else { throw lost(operation) }
        try flush(operation)
        return try answer(operation).affectedRows
    }

    /// Waits until the server has taken what is buffered (libpq, PQflush); reads meanwhile, as a server that has something to
    /// say might else not go on reading.
    private func flush(_ operation: String) throws(PostgresError) {
        let deadline = answerDeadline
        while true {
            let rest = unsafe PQflush(handle)
            if rest == 0 { return }
            guard rest == 1 else { throw lost(operation) }
            try wait(for: Int16(POLLIN | POLLOUT), until: deadline, doing: operation)
            guard unsafe PQconsumeInput(handle) == 1 else { throw lost(operation) }
        }
    }

    /// Signature, flags and the length of the header extension.
    private static let header: [UInt8] =
        Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)

    private func put(_ bytes: [UInt8], _ range: Range<Int>, _ operation: String) throws(PostgresError) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(start + Self.chunk, range.upperBound)
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                let part = unsafe UnsafeRawBufferPointer(rebasing: buffer[start..<end])
                return unsafe PQputCopyData(
                    handle, part.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(part.count))
            }
            guard sent == 1 else { throw lost(operation) }
            start = end
            if start < range.upperBound { try flush(operation) }
        }
    }
}

/// Joins ranges that follow each other without a hole.
private struct Pieces: Sequence, IteratorProtocol {
    private let rows: [Range<Int>]
    private var index = 0

    init(_ rows: [Range<Int>]) {
        self.rows = rows
    }

    mutating func next() -> Range<Int>? {
        guard index < rows.count else { return nil }
        var piece = rows[index]
        index += 1
        while index < rows.count, rows[index].lowerBound == piece.upperBound {
            piece = piece.lowerBound..<rows[index].upperBound
            index += 1
        }
        return piece
    }
}
