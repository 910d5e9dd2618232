/// Rows in PostgreSQL's binary COPY format, in one buffer that is used again; formatting only, nothing is sent.
///
/// The format is that of the PostgreSQL manual, "COPY", section "Binary Format": per row a 16-bit count of fields, per
/// field a 32-bit length and the type's send format, all big-endian. The 19 bytes before the first row and the trailer
/// after the last belong to the sender, so that any run of rows can be sent alone.
package struct CopyBuffer: Sendable {
    /// The rows so far, without COPY's header and trailer.
    package private(set) var bytes: [UInt8] = []

    /// Makes an empty buffer that holds `capacity` bytes before it grows.
    package init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    /// Empties the buffer; its memory stays.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// Takes back everything after the first `count` bytes, such as a row that was begun and not finished.
    package mutating func truncate(to count: Int) {
        bytes.removeSubrange(count...)
    }

    /// Begins a row of that many fields; exactly that many `append` calls must follow.
    package mutating func beginRow(columns: Int) {
        append(raw: Int16(truncatingIfNeeded: columns))
    }

    /// A NULL of any type.
    package mutating func appendNull() {
        append(raw: Int32(-1))
    }

    /// `boolean`.
    package mutating func append(bool value: Bool) {
        append(raw: Int32(1))
        bytes.append(value ? 1 : 0)
    }

    /// `smallint`.
    package mutating func append(int2 value: Int16) {
        append(raw: Int32(2))
        append(raw: value)
    }

    /// `integer`.
    package mutating func append(int4 value: Int32) {
        append(raw: Int64(4) << 32 | Int64(UInt32(bitPattern: value)))
    }

    /// `bigint`.
    package mutating func append(int8 value: Int64) {
        append(raw: Int32(8))
        append(raw: value)
    }

    /// `double precision`.
    package mutating func append(float8 value: Double) {
        append(int8: Int64(bitPattern: value.bitPattern))
    }

    /// `timestamptz`: microseconds since 2000-01-01T00:00:00Z; what that cannot hold becomes `infinity`.
    package mutating func append(timestamptz value: Timestamp) {
        let (sinceEpoch, overflow1) = value.milliseconds.subtractingReportingOverflow(946_684_800_000)
        let (microseconds, overflow2) = sinceEpoch.multipliedReportingOverflow(by: 1000)
        append(int8: overflow1 || overflow2 ? (value.milliseconds < 0 ? .min : .max) : microseconds)
    }

    /// `text`, `varchar` or `json`: UTF-8 without NUL, which PostgreSQL checks.
    package mutating func append(text value: UnsafeRawBufferPointer) {
        append(raw: Int32(truncatingIfNeeded: value.count))
        unsafe bytes.append(contentsOf: value)
    }

    /// `text`, `varchar` or `json`.
    package mutating func append(text value: some StringProtocol) {
        let field = beginField()
        bytes.append(contentsOf: value.utf8)
        endField(field)
    }

    /// `bytea`.
    package mutating func append(bytea value: UnsafeRawBufferPointer) {
        unsafe append(text: value)
    }

    /// `json`: the document's bytes.
    package mutating func append(json value: UnsafeRawBufferPointer) {
        unsafe append(text: value)
    }

    /// `jsonb`: a version byte, 1, and the document's text.
    package mutating func append(jsonb value: UnsafeRawBufferPointer) {
        append(raw: Int32(truncatingIfNeeded: value.count + 1))
        bytes.append(1)
        unsafe bytes.append(contentsOf: value)
    }
}

extension CopyBuffer {
    /// The element types of arrays, with their object ids (`pg_type.dat`).
    package enum ArrayElement: Int32, Sendable {
        case int8 = 20
        case text = 25
    }

    /// An array that was begun and not ended.
    package struct OpenArray: ~Copyable {
        fileprivate let start: Int
        fileprivate var count: Int32 = 0
        fileprivate var hasNull = false
    }

    /// Begins a one-dimensional array; elements follow with `appendElement`, then `endArray`.
    package mutating func beginArray(of element: ArrayElement) -> OpenArray {
        let array = OpenArray(start: beginField())
        append(raw: Int32(1))
        append(raw: Int32(0))
        append(raw: element.rawValue)
        append(raw: Int32(0))
        append(raw: Int32(1))
        return array
    }

    /// An element of a `text[]`.
    package mutating func appendElement(text value: UnsafeRawBufferPointer, to array: inout OpenArray) {
        unsafe append(text: value)
        array.count += 1
    }

    /// An element of a `bigint[]`.
    package mutating func appendElement(int8 value: Int64, to array: inout OpenArray) {
        append(int8: value)
        array.count += 1
    }

    /// A NULL element.
    package mutating func appendNullElement(to array: inout OpenArray) {
        appendNull()
        array.count += 1
        array.hasNull = true
    }

    /// Ends the array; one without elements becomes `{}`.
    package mutating func endArray(_ array: consuming OpenArray) {
        let header = array.start + 4
        if array.count == 0 {
            // An empty array has no dimensions, so the last two words go (array_recv).
            truncate(to: header + 12)
            store(0, at: header)
        } else {
            store(array.hasNull ? 1 : 0, at: header + 4)
            store(array.count, at: header + 12)
        }
        endField(array.start)
    }
}

extension CopyBuffer {
    private mutating func append<Value: FixedWidthInteger>(raw value: Value) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    /// Leaves room for a length that `endField` fills in.
    private mutating func beginField() -> Int {
        append(raw: Int32(0))
        return bytes.count - 4
    }

    private mutating func endField(_ start: Int) {
        store(Int32(truncatingIfNeeded: bytes.count - start - 4), at: start)
    }

    private mutating func store(_ value: Int32, at offset: Int) {
        unsafe bytes.withUnsafeMutableBytes {
            unsafe $0.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Int32.self)
        }
    }
}
