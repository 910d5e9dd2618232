import CRdKafka
import Core

/// Translates our record headers from and to librdkafka's.
struct KafkaHeaders {
    /// Constants that are C strings already: they are handed over several times for every record.
    private static let names:
        (
            stream: StaticString, journal: StaticString, seq: StaticString, receivedAt: StaticString,
            connection: StaticString
        ) = ("stream", "journal", "seq", "received_at", "connection")

    /// The time written last, and its text: many records in a row were received at the same millisecond.
    private var receivedAt = (time: Timestamp(milliseconds: 0), text: Timestamp(milliseconds: 0).description)

    /// A new header list; whoever gets it owns it.
    mutating func make(_ headers: RecordHeaders) -> OpaquePointer {
        if receivedAt.time != headers.receivedAt {
            receivedAt = (headers.receivedAt, headers.receivedAt.description)
        }
        let (names, list) = unsafe (Self.names, rd_kafka_headers_new(5)!)
        unsafe Self.add(names.stream, headers.stream, to: list)
        unsafe Self.add(names.journal, headers.journal, to: list)
        unsafe headers.seq.withDecimalDigits { unsafe Self.add(names.seq, $0, to: list) }
        unsafe Self.add(names.receivedAt, receivedAt.text, to: list)
        unsafe headers.connection.withDecimalDigits { unsafe Self.add(names.connection, $0, to: list) }
        return unsafe list
    }

    private static func add(_ name: StaticString, _ value: String, to list: OpaquePointer) {
        var value = value
        value.withUTF8 { bytes in unsafe add(name, UnsafeRawBufferPointer(bytes), to: list) }
    }

    private static func add(_ name: StaticString, _ value: UnsafeRawBufferPointer, to list: OpaquePointer) {
        _ = unsafe rd_kafka_header_add(
            list, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), name.utf8CodeUnitCount,
            value.baseAddress, value.count)
    }

    /// Our headers of a consumed record; nil when any is missing or makes no sense, as with foreign producers.
    static func read(_ message: UnsafePointer<rd_kafka_message_t>) -> RecordHeaders? {
        var list: OpaquePointer?
        guard unsafe rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list = unsafe list,
            let stream = unsafe text(names.stream, of: list), !stream.isEmpty,
            let journal = unsafe text(names.journal, of: list), !journal.isEmpty,
            let seq = unsafe bytes(names.seq, of: list).flatMap({ unsafe Int64(digits: $0) }), seq > 0,
            let receivedAt = unsafe bytes(names.receivedAt, of: list).flatMap({ unsafe Timestamp(rfc3339: $0) }),
            let connection = unsafe bytes(names.connection, of: list).flatMap({ unsafe Int64(digits: $0) })
        else { return nil }
        return RecordHeaders(
            stream: stream, journal: journal, seq: seq, receivedAt: receivedAt, connection: connection)
    }

    private static func text(_ name: StaticString, of list: OpaquePointer) -> String? {
        guard let bytes = unsafe bytes(name, of: list) else { return nil }
        // Validating is slow, and nearly every name is ASCII.
        if unsafe bytes.allSatisfy({ $0 < 0x80 }) { return unsafe String(decoding: bytes, as: UTF8.self) }
        return unsafe String(validating: bytes, as: UTF8.self)
    }

    private static func bytes(_ name: StaticString, of list: OpaquePointer) -> UnsafeRawBufferPointer? {
        var value: UnsafeRawPointer?
        var size = 0
        guard
            unsafe rd_kafka_header_get_last(
                list, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), &value, &size)
                == RD_KAFKA_RESP_ERR_NO_ERROR,
            let value = unsafe value, size <= 256
        else { return nil }
        return unsafe UnsafeRawBufferPointer(start: value, count: size)
    }
}

extension Int64 {
    /// Decimal digits, at least one and nothing else; nil also for more than it holds.
    fileprivate init?(digits: UnsafeRawBufferPointer) {
        guard unsafe !digits.isEmpty else { return nil }
        var value: Int64 = 0
        for index in digits.indices {
            let byte = unsafe digits[index]
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let (tens, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = tens.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
            if overflows || overflowsToo { return nil }
            value = sum
        }
        self = value
    }
}
