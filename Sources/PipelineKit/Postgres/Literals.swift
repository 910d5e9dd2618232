/// An array in PostgreSQL's text form (PostgreSQL, "Array Input and Output Syntax"); nil becomes NULL.
package func arrayLiteral(_ values: some Sequence<String?>) -> String {
    let elements = values.map { value in
        guard let value else { return "NULL" }
        guard value.utf8.contains(where: { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
            return "\"\(value)\""
        }
        // By scalar: a quotation mark and a combining mark after it are one `Character`, which is not `"`.
        var escaped = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { escaped.append("\\") }
            escaped.append(scalar)
        }
        return "\"\(String(escaped))\""
    }
    return "{\(elements.joined(separator: ","))}"
}

/// An array of integers in PostgreSQL's text form; nil becomes NULL.
package func arrayLiteral(_ values: some Sequence<Int64?>) -> String {
    "{\(values.map { $0.map(String.init) ?? "NULL" }.joined(separator: ","))}"
}

/// Bytes in PostgreSQL's hex form (PostgreSQL, "bytea Hex Format").
package func byteaLiteral(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = Array("\\x".utf8)
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// SQL that gives a moment as RFC 3339 in UTC with milliseconds, as `Timestamp` does.
///
/// - Parameter moment: an expression of type timestamptz.
/// - Returns: an expression of type text.
package func rfc3339(_ moment: String) -> String {
    "to_char(\(moment) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
}
