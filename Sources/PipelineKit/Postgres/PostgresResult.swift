internal import CPostgres

/// What PostgreSQL answered: rows of text values, or a count.
@safe
package struct PostgresResult: ~Copyable {
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) {
        unsafe self.handle = handle
    }

    deinit {
        unsafe PQclear(handle)
    }

    /// Number of rows that were returned.
    package var rowCount: Int { Int(unsafe PQntuples(handle)) }

    /// Number of rows that the statement inserted, updated, deleted or copied.
    package var affectedRows: Int {
        unsafe PQcmdTuples(handle).flatMap { unsafe Int(String(cString: $0)) } ?? 0
    }

    /// A value in PostgreSQL's text form; nil for NULL. Row and column count from 0.
    package func text(_ row: Int, _ column: Int) -> String? {
        precondition((0..<rowCount).contains(row) && (0..<Int(unsafe PQnfields(handle))).contains(column))
        guard unsafe PQgetisnull(handle, Int32(row), Int32(column)) == 0 else { return nil }
        let length = Int(unsafe PQgetlength(handle, Int32(row), Int32(column)))
        guard let bytes = unsafe PQgetvalue(handle, Int32(row), Int32(column)) else { return nil }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: bytes, count: length), as: UTF8.self)
    }

    /// Lends the bytes of a value in PostgreSQL's text form for the time of a call; nil for NULL.
    package func withBytes<Value>(
        _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer?) throws -> Value
    ) rethrows -> Value {
        precondition((0..<rowCount).contains(row) && (0..<Int(unsafe PQnfields(handle))).contains(column))
        guard unsafe PQgetisnull(handle, Int32(row), Int32(column)) == 0,
            let bytes = unsafe PQgetvalue(handle, Int32(row), Int32(column))
        else { return try body(nil) }
        let length = Int(unsafe PQgetlength(handle, Int32(row), Int32(column)))
        return try unsafe body(UnsafeRawBufferPointer(start: bytes, count: length))
    }

    /// A value of an integer column; nil for NULL.
    package func integer(_ row: Int, _ column: Int) -> Int64? {
        text(row, column).flatMap(Int64.init)
    }

    /// All rows, each with its values in text form.
    package var rows: [[String?]] {
        let columns = Int(unsafe PQnfields(handle))
        return (0..<rowCount).map { row in (0..<columns).map { text(row, $0) } }
    }
}
