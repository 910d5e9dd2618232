import Core
import Postgres

/// Rows of all relations that lines became, encoded once, in one buffer for each table.
///
/// Any choice of rows can be sent, and sent again: each knows its place in the buffer, its key, and the line it came from.
package struct RelationRows: Sendable {
    /// One row.
    package struct Row: Sendable {
        /// The number that the line was begun with.
        package let line: Int
        /// The key of the table's rows, by which they are ordered: an id, or the hash of a key that is text.
        package let key: Int64
        /// What distinguishes rows with the same key: of a state its fingerprint, of a rule its id.
        package let detail: Int64
        /// When a state was received, in milliseconds since 1970.
        package let seenAt: Int64
        /// Whether a tweet came on a line of its own; true for rows of other tables.
        package let isMatched: Bool
        /// Where the row is in the buffer.
        package let bytes: Range<Int>
    }

    /// The rows of one table.
    package struct Table: Sendable {
        /// The rows' bytes, in COPY's form.
        package fileprivate(set) var buffer = CopyBuffer(capacity: 4096)
        /// The rows, in the order of their lines.
        package fileprivate(set) var rows: [Row] = []
        fileprivate let columns: Int

        fileprivate init(_ relation: Relation) {
            columns = relation.columns.count
        }

        /// The text in the first column of a row: the key of a state whose key is text.
        func firstText(of row: Row) -> String {
            String(decoding: field(0, of: row) ?? [], as: UTF8.self)
        }

        /// The bytes of a column, counted from 0, in COPY's form; nil for NULL.
        func field(_ number: Int, of row: Row) -> ArraySlice<UInt8>? {
            // Two bytes for the number of fields, then four for the length of each field.
            var start = row.bytes.lowerBound + 2
            for _ in 0..<number { start += 4 + max(0, length(at: start)) }
            let length = length(at: start)
            return length < 0 ? nil : buffer.storage[start + 4..<start + 4 + length]
        }

        private func length(at place: Int) -> Int {
            let bytes = buffer.storage
            let length = UInt32(bytes[place]) << 24 | UInt32(bytes[place + 1]) << 16 | UInt32(bytes[place + 2]) << 8
            return Int(Int32(bitPattern: length | UInt32(bytes[place + 3])))
        }

        /// The time in the last column of a row, in milliseconds since 1970.
        func lastTime(of row: Row) -> Int64 {
            // Microseconds since 2000.
            let bits = buffer.storage[row.bytes.suffix(8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return Int64(bitPattern: bits) / 1000 + 946_684_800_000
        }
    }

    private var tables = Relation.allCases.map(Table.init)
    private var line = 0
    /// Context annotations name the same few things over and over: one row for each in a batch is enough.
    private var contexts: Set<Int64> = []
    /// Of each medium and poll that was attached, by key, the oldest tweet that attaches it: that one brought it.
    private var owners: [Int64: Int64] = [:]
    /// Keys that this version of the program does not know, as they came.
    package private(set) var unknownKeys: [(line: Int, tweet: Int64, path: String)] = []

    /// Makes empty tables.
    package init() {}

    /// The rows of a table.
    package subscript(relation: Relation) -> Table { tables[relation.rawValue] }

    /// How many bytes all rows take.
    package var byteCount: Int { tables.reduce(0) { $0 + $1.buffer.count } }

    /// Begins the rows of a line; numbers must not fall.
    package mutating func beginLine(_ number: Int) {
        line = number
    }

    /// Takes rows of lines out; their bytes stay where they are.
    package mutating func removeLines(where isGone: (Int) -> Bool) {
        for index in tables.indices { tables[index].rows.removeAll { isGone($0.line) } }
        unknownKeys.removeAll { isGone($0.line) }
        contexts.removeAll(keepingCapacity: true)
    }

    /// Empties all tables; their memory stays.
    package mutating func removeAll() {
        for index in tables.indices {
            tables[index].buffer.removeAll()
            tables[index].rows.removeAll(keepingCapacity: true)
        }
        unknownKeys.removeAll(keepingCapacity: true)
        contexts.removeAll(keepingCapacity: true)
        owners.removeAll(keepingCapacity: true)
    }

    /// Takes note that a tweet attaches a medium or a poll.
    mutating func attach(_ key: Int64, to tweet: Int64) {
        owners[key] = min(owners[key] ?? .max, tweet)
    }

    /// The oldest tweet among these lines that attaches a medium or a poll.
    func owner(of key: Int64) -> Int64? { owners[key] }

    /// Appends a row, of which `body` writes all fields.
    mutating func append(
        to relation: Relation, key: Int64, detail: Int64 = 0, isMatched: Bool = true,
        _ body: (inout CopyBuffer) -> Void
    ) {
        let line = line
        Self.append(to: &tables[relation.rawValue]) { buffer, start in
            body(&buffer)
            return Row(
                line: line, key: key, detail: detail, seenAt: 0, isMatched: isMatched, bytes: start..<buffer.count)
        }
    }

    /// Appends the state of something, of which `body` writes the fields of its own.
    mutating func append(to relation: Relation, key: Int64, seen: Sighting, _ body: (inout CopyBuffer) -> Void) {
        let line = line
        Self.append(to: &tables[relation.rawValue]) { buffer, start in
            body(&buffer)
            let fingerprint = buffer.fingerprint(from: start)
            buffer.append(int8: fingerprint)
            buffer.append(bool: seen.isAltered)
            buffer.append(int8: seen.tweet)
            buffer.append(timestamptz: seen.at)
            return Row(
                line: line, key: key, detail: fingerprint, seenAt: seen.at.milliseconds, isMatched: true,
                bytes: start..<buffer.count)
        }
    }

    private static func append(to table: inout Table, _ body: (inout CopyBuffer, Int) -> Row) {
        let start = table.buffer.count
        table.buffer.beginRow(columns: table.columns)
        table.rows.append(body(&table.buffer, start))
    }

    /// Whether something that a context annotation names is new in this batch.
    mutating func isNewContext(_ hash: Int64) -> Bool {
        contexts.insert(hash).inserted
    }

    mutating func appendUnknownKey(_ path: String, tweet: Int64) {
        unknownKeys.append((line, tweet, path))
    }
}

/// Where and when the state of something was seen.
struct Sighting {
    /// The tweet whose line had it.
    let tweet: Int64
    let at: Timestamp
    /// Whether the line was repaired.
    let isAltered: Bool
}
