/// Percent-encodes everything but the unreserved characters (RFC 3986, sections 2.1 and 2.3), with digits in upper case.
///
/// This is what a part of a URL needs, and what a signature of version 4 asks for (AWS General Reference, "Create a canonical
/// request").
///
/// - Parameters:
///   - text: its UTF-8 is encoded byte by byte.
///   - kept: a byte that stays as it is, such as the `/` of a path.
/// - Returns: ASCII.
package func percentEncoded(_ text: String, keeping kept: UInt8? = nil) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
        switch byte {
        case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            result.append(byte)
        case kept: result.append(byte)
        default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: result, as: UTF8.self)
}
