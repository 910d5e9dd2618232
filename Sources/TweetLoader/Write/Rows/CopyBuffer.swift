import Core

/// Rows in PostgreSQL's binary COPY format, in one buffer that is used again; formatting only, nothing is sent.
///
/// The format is that of the PostgreSQL manual, "COPY", section "Binary Format": per row a 16-bit count of fields, per
/// field a 32-bit length and the type's send format, all big-endian. The 19 bytes before the first row and the trailer
/// after the last belong to the sender, so that any run of rows can be sent alone.
package struct CopyBuffer: Sendable {
    /// The rows, without COPY's header and trailer, in the first `count` bytes; what follows is room to grow.
    package private(set) var storage: [UInt8]
    /// How many bytes the rows take.
    package private(set) var count = 0

    /// Makes an empty buffer with room for `capacity` bytes before it grows.
    package init(capacity: Int = 65_536) {
        storage = [UInt8](repeating: 0, count: max(capacity, 64))
    }

    /// Empties the buffer; its memory stays.
    package mutating func removeAll() {
        count = 0
    }

    /// Takes back everything after the first `count` bytes, such as a row that was begun and not finished.
    package mutating func truncate(to count: Int) {
        precondition((0...self.count).contains(count), "a buffer cannot be truncated to more than it holds")
        self.count = count
    }

    /// A hash of what was appended since the first `start` bytes; the same on every machine and in every run.
    package func fingerprint(from start: Int) -> Int64 {
        precondition((0...count).contains(start), "a fingerprint begins within the buffer")
        return unsafe storage.withUnsafeBytes { buffer in
            unsafe Fingerprint.of(UnsafeRawBufferPointer(rebasing: buffer[start..<count]))
        }
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
        append(length: 1, value ? UInt8(1) : 0)
    }

    /// `smallint`.
    package mutating func append(int2 value: Int16) {
        append(length: 2, value)
    }

    /// `integer`.
    package mutating func append(int4 value: Int32) {
        append(length: 4, value)
    }

    /// `bigint`.
    package mutating func append(int8 value: Int64) {
        append(length: 8, value)
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

    /// `text` or `varchar`: UTF-8 without NUL, which PostgreSQL checks.
    package mutating func append(text value: UnsafeRawBufferPointer) {
        let field = beginField(room: value.count)
        unsafe append(raw: value)
        endField(field)
    }

    /// `text` or `varchar`.
    package mutating func append(text value: String) {
        var value = value
        value.withUTF8 { unsafe append(text: UnsafeRawBufferPointer($0)) }
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
        let field = beginField(room: value.count + 1)
        append(raw: UInt8(1))
        unsafe append(raw: value)
        endField(field)
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
        let array = OpenArray(start: beginField(room: 20))
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
            store(Int32(0), at: header)
        } else {
            store(Int32(array.hasNull ? 1 : 0), at: header + 4)
            store(array.count, at: header + 12)
        }
        endField(array.start)
    }
}

extension CopyBuffer {
    private mutating func append<Value: FixedWidthInteger>(raw value: Value) {
        reserve(MemoryLayout<Value>.size)
        store(value, at: count)
        count += MemoryLayout<Value>.size
    }

    private mutating func append<Value: FixedWidthInteger>(length: Int32, _ value: Value) {
        reserve(4 + MemoryLayout<Value>.size)
        let start = count
        unsafe storage.withUnsafeMutableBytes { buffer in
            unsafe buffer.storeBytes(of: length.bigEndian, toByteOffset: start, as: Int32.self)
            unsafe buffer.storeBytes(of: value.bigEndian, toByteOffset: start + 4, as: Value.self)
        }
        count += 4 + MemoryLayout<Value>.size
    }

    private mutating func append(raw value: UnsafeRawBufferPointer) {
        reserve(value.count)
        let range = count..<count + value.count
        unsafe storage.withUnsafeMutableBytes { buffer in
            unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[range]).copyMemory(from: value)
        }
        count += value.count
    }

    /// Leaves room for a length that `endField` fills in.
    private mutating func beginField(room: Int) -> Int {
        reserve(4 + room)
        count += 4
        return count - 4
    }

    private mutating func endField(_ start: Int) {
        store(Int32(truncatingIfNeeded: count - start - 4), at: start)
    }

    private mutating func store<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
        unsafe storage.withUnsafeMutableBytes { buffer in
            unsafe buffer.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Value.self)
        }
    }

    private mutating func reserve(_ room: Int) {
        if storage.count - count < room { grow(by: room) }
    }

    @inline(never)
    private mutating func grow(by room: Int) {
        storage.append(contentsOf: repeatElement(0, count: max(room, storage.count)))
    }
}
